"""SIGKILL at random moments, of writers, databases, servers and devices: what was answered stays."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.replica import Replica
from syncline.storage import Store, open_store
from syncline.storage.errors import StoreUnavailable
from syncline.storage.models import AckInterval, OpenQueue
from tests.chaos.writer import ACCOUNT, ITEMS, Writer, declare, read_history
from tests.harness.postgres import Cluster
from tests.harness.programs import running_program
from tests.harness.server import declare_notes, start_server
from tests.replica.serving import NOTE, number_notes, write_notes

SEEDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "4"))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(60 + 30 * SEEDS)]

PROGRAM = """
import sys
from syncline.replica import Replica
with Replica.open(sys.argv[1], sys.argv[2], page_size=10) as replica:
    replica.sync(progress=lambda progress: print(progress.received, flush=True))
"""


def test_g3_what_a_killed_writer_was_told_is_there(store_url: str, tmp_path: Path) -> None:
    store = open_store(store_url)
    declare(store)
    log = tmp_path / "log.jsonl"
    for seed in range(SEEDS):
        rng = random.Random(seed)
        writer = Writer(store_url, log)
        told = rng.randint(1, 200) + len(read_history([log]))
        writer.order(seed + 1, 1_000_000)
        while len(history := read_history([log])) < told:
            time.sleep(0.001)
        writer.close()
        history = read_history([log])
        assert store.get_head(ACCOUNT).revision >= history[-1][0]
        check_told(store, history)
    store.close()


def check_told(store: Store, history: list[tuple[int, str, str | None, int]]) -> None:
    """Each record is as it was told, or newer: the writer may have died before it could log its last batch."""
    told = {key: (revision, bucket) for revision, key, bucket, _ in history}
    for record in store.get_records(ACCOUNT, ITEMS.name, sorted(told)):
        revision, bucket = told.pop(record.key)
        assert record.revision >= revision
        if record.revision == revision:
            assert (record.frame is None) == (bucket is None)
    assert told == {}


def test_g3_what_was_answered_survives_sigkill_of_postgres() -> None:
    with tempfile.TemporaryDirectory(prefix="syncline-killed-") as folder:
        cluster = Cluster(Path(folder) / "cluster")
        cluster.make()
        server = cluster.start({})
        server.create_template()
        database = server.create_database().rpartition("/")[2]
        try:
            for seed in range(SEEDS):
                store = open_store(server.url(database))
                declare_once(store)
                kill = threading.Timer(random.Random(seed).uniform(0.05, 0.5), cluster.kill, [server])
                answered = write_and_acknowledge(store, kill)
                kill.join()
                store.close()
                server = cluster.start({})
                store = open_store(server.url(database))
                assert store.get_head(ACCOUNT).revision >= answered.revision
                assert answered.keys <= {row.key for row in store.get_records(ACCOUNT, NOTE.name, list(answered.keys))}
                positions = store.list_positions(ACCOUNT, answered.device_uuid)
                assert [position.acked_through for position in positions] >= [answered.acked]
                store.close()
        finally:
            cluster.stop()


def declare_once(store: Store) -> None:
    """The account with one object type, if it is not there yet."""
    if store.create_account(ACCOUNT) and not store.read_schema(ACCOUNT).object_types:
        declare_notes(store)


class Answered:
    """What a store has answered."""

    def __init__(self) -> None:
        self.device_uuid = uuid4()
        self.keys: set[str] = set()
        self.revision = 0
        self.acked = 0


def write_and_acknowledge(store: Store, kill: threading.Timer) -> Answered:
    """Write and acknowledge until the database is killed; all that was answered until then."""
    answered = Answered()
    store.register_device(ACCOUNT, answered.device_uuid, now=1)
    opened = store.open_queue(ACCOUNT, answered.device_uuid, OpenQueue((), {}, (), (), True, True, "", 1, 2))
    (feed,) = opened.feeds
    kill.start()
    try:
        while True:
            key = uuid4().hex
            answered.revision = write_notes(store, {key: "text"})
            answered.keys.add(key)
            interval = AckInterval(feed.position.epoch, answered.acked, answered.revision)
            store.acknowledge(ACCOUNT, answered.device_uuid, [interval], [], [], now=2)
            answered.acked = answered.revision
    except StoreUnavailable:
        return answered


def test_g4_servers_and_devices_killed_at_random(sqlite_url: str, tmp_path: Path) -> None:
    notes = number_notes(600)
    store = open_store(sqlite_url)
    declare_once(store)
    write_notes(store, notes)
    with start_server(sqlite_url) as server:
        for seed in range(SEEDS):
            rng = random.Random(seed)
            path = tmp_path / f"device-{seed}.db"
            for _ in range(rng.randint(1, 3)):
                with running_program([sys.executable, "-c", PROGRAM, path, server.address]) as (_, output):
                    for _ in range(rng.randint(1, 20)):
                        output.readline()
                    if rng.random() < 0.5:
                        server.restart()
                        output.readline()
            with Replica.open(path, server.address, page_size=10) as replica:
                before = max((feed.revision for feed in replica.status().feeds), default=0)
                report = replica.sync()
                held = {row["id"]: row["text"] for row in replica.query("SELECT id, text FROM note")}
                (position,) = store.list_positions(ACCOUNT, replica.device_uuid)
            assert held == notes
            assert report.total.received == len(notes) - before
            assert position.acked_through == report.checkpoint_revision
    store.close()
