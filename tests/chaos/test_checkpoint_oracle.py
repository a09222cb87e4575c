"""Through all parts: at each checkpoint a device's copy is the server's view at that revision (G1, G2, G4, G5, G10).

Four writers, each a process of its own, create, change, move and delete records in a store, while devices read pages
of two items from a server process. A device starts sessions, stays on a stream, resynchronises in full, or goes back
to an older copy of its file. What each of them held at each checkpoint is compared with the writers' logs.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from syncline.replica import Replica, SyncReport
from syncline.storage import open_store
from tests.chaos.writer import ACCOUNT, BUCKETS, ITEMS, Writer, declare, model_at, read_history, writers
from tests.harness.server import ServerProcess, start_server

SEEDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "8"))
WRITERS = 4
ROUNDS = 15

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(60 + 20 * SEEDS)]


@dataclass
class Device:
    """A device with its grants, and what it held at each of its checkpoints."""

    path: Path
    granted: frozenset[str]
    checkpoints: list[tuple[int, dict[str, tuple[str, int]]]] = field(default_factory=list)

    def note(self, replica: Replica, report: SyncReport) -> None:
        """Remember what the file holds at a checkpoint."""
        rows = replica.query(f"SELECT _key, _bucket, value FROM {ITEMS.name}")
        held = {key: (bucket, value) for key, bucket, value in rows}
        self.checkpoints.append((report.checkpoint_revision, held))

    def check(self, history: list[tuple[int, str, str | None, int]]) -> None:
        """Compare it with what the writers logged."""
        assert self.checkpoints
        for revision, held in self.checkpoints:
            model = model_at(history, revision)
            assert held == {key: row for key, row in model.items() if row[0] in self.granted}, f"at {revision}"


@pytest.fixture
def server(store_url: str) -> Iterator[ServerProcess]:
    store = open_store(store_url)
    declare(store)
    store.close()
    with start_server(store_url) as process:
        yield process


def test_g5_every_checkpoint_is_a_moment_of_the_server(server: ServerProcess, tmp_path: Path) -> None:
    url = server.database_url
    with writers(WRITERS, url, tmp_path) as crew:
        for seed in range(SEEDS):
            rng = random.Random(seed)
            devices = [new_device(rng, tmp_path / f"{seed}-{number}.db", url) for number in range(3)]
            run_history(rng, seed, crew, devices, server.address)
            history = read_history([writer.log for writer in crew])
            for device in devices:
                device.check(history)


def new_device(rng: random.Random, path: Path, database_url: str) -> Device:
    """A device with some of the buckets."""
    granted = frozenset(rng.sample(BUCKETS, rng.randint(1, len(BUCKETS))))
    store = open_store(database_url)
    with Replica.open(path) as replica:
        store.register_device(ACCOUNT, replica.device_uuid, now=1)
        store.grant_buckets(ACCOUNT, replica.device_uuid, sorted(granted))
        store.revoke_buckets(ACCOUNT, replica.device_uuid, sorted(set(BUCKETS) - granted))
    store.close()
    return Device(path, granted)


def run_history(rng: random.Random, seed: int, crew: list[Writer], devices: list[Device], address: str) -> None:
    """Let all write and read at once; every device ends with a sync after the last write."""
    written = threading.Event()
    failures: list[BaseException] = []

    def live(device: Device, choices: random.Random) -> None:
        try:
            use(device, choices, address, written)
        except BaseException as failure:  # noqa: BLE001 - shown by the test
            failures.append(failure)

    threads = [threading.Thread(target=live, args=(device, random.Random(rng.random()))) for device in devices]
    for number, writer in enumerate(crew):
        writer.order(seed * WRITERS + number + 1, ROUNDS)
    for thread in threads:
        thread.start()
    try:
        for writer in crew:
            writer.wait()
    finally:
        written.set()
        for thread in threads:
            thread.join()
    assert failures == []


def use(device: Device, choices: random.Random, address: str, written: threading.Event) -> None:
    """Sync in random ways until the writers are done, and once more then."""
    copy = device.path.with_suffix(".copy")
    last_time = False
    while not last_time:
        last_time = written.is_set()
        action = choices.choice(("sync", "sync", "watch", "full", "save", "put back"))
        if action == "save":
            shutil.copy(device.path, copy)
        elif action == "put back" and copy.exists():
            shutil.copy(copy, device.path)
        with Replica.open(device.path, address, page_size=2) as replica:
            if action == "watch":
                watch(device, replica, choices.randint(1, 3), written)
            device.note(replica, replica.sync(full_resync=action == "full"))


def watch(device: Device, replica: Replica, checkpoints: int, written: threading.Event) -> None:
    """Stay on the stream for some checkpoints, or until nobody writes any more."""
    with closing(replica.watch()) as reports:
        for number, report in enumerate(reports, start=1):
            device.note(replica, report)
            if number == checkpoints or written.is_set():
                break
