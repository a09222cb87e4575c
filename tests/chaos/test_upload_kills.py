"""SIGKILL of servers, devices and databases while devices upload: nothing is lost, done twice or torn (G3, G6, G12)."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from syncline.replica import Replica
from syncline.storage import Store, open_store
from syncline.storage.sql import migrate
from syncline.v1 import frame_pb2
from tests.chaos.upload_client import (
    ACCOUNT,
    BOARD,
    COUNTER,
    KEPT,
    NAMES,
    NUMBER,
    SHARED,
    UploadClient,
    declare,
    last_number,
    number_key,
    trail,
)
from tests.harness.postgres import Cluster
from tests.harness.server import ServerProcess, start_server

ROUNDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "4"))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 30 * ROUNDS)]

VICTIMS = ["server", "client", "server client"]
"""Who is killed in a round; where the database is a process of its own, that as well."""


@dataclass
class Site:
    """What can be killed, and how it comes back."""

    server: ServerProcess
    clients: list[UploadClient]
    restart_database: Callable[[], None] | None


def test_g6_uploads_survive_sigkill_of_everything_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    with uploading(sqlite_url, tmp_path, None) as site:
        kill_and_check(site)


def test_g6_uploads_survive_sigkill_of_everything_on_postgres(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="syncline-killed-") as folder:
        cluster = Cluster(Path(folder) / "cluster")
        cluster.make()
        running = [cluster.start({})]
        try:
            url = running[0].create_empty_database()
            migrate(url)

            def restart_database() -> None:
                cluster.kill(running[0])
                # On its old port, where the server looks for it.
                running[0] = replace(cluster.start({"port": str(running[0].port)}), port=running[0].port)

            with uploading(url, tmp_path, restart_database) as site:
                kill_and_check(site)
        finally:
            cluster.stop()


@contextmanager
def uploading(url: str, folder: Path, restart_database: Callable[[], None] | None) -> Iterator[Site]:
    """A server process with devices that write and upload."""
    store = open_store(url)
    declare(store)
    store.close()
    with ExitStack() as stack:
        server = stack.enter_context(start_server(url))
        clients = []
        for name in NAMES:
            clients.append(UploadClient(folder / f"{name}.db", server.address, name))
            stack.callback(clients[-1].kill)
        yield Site(server, clients, restart_database)


def kill_and_check(site: Site) -> None:
    """Kill at random, many times; look at the server after each; bring all together in the end."""
    for number in range(ROUNDS):
        rng = random.Random(number)
        wait_for_progress(site.clients)
        time.sleep(rng.uniform(0, 0.2))
        victims = rng.choice(VICTIMS if site.restart_database is None else [*VICTIMS, "database", "server database"])
        if "database" in victims and site.restart_database is not None:
            site.restart_database()
        if "client" in victims:
            victim = rng.choice(site.clients)
            victim.kill()
            victim.start()
        told = {client.name: client.settled for client in site.clients}
        if "server" in victims:
            site.server.kill()
            check_server(site.server.database_url, told)
            site.server.start()
        else:
            wait_for_progress(site.clients)
            check_server(site.server.database_url, told)
    for client in site.clients:
        client.kill()
    check_rest(site)


def wait_for_progress(clients: list[UploadClient]) -> None:
    """Wait until each device has settled something more."""
    before = [client.settled for client in clients]
    while any(client.settled == settled for client, settled in zip(clients, before, strict=True)):
        assert not any(client.ended for client in clients)
        time.sleep(0.005)


def check_server(url: str, told: dict[str, int]) -> None:
    """What a device was told is there, whole and once, and nothing but what comes after it besides."""
    store = open_store(url)
    for name, settled in told.items():
        reached = check_sequence(store, name)
        assert reached >= settled
    store.close()


def check_sequence(store: Store, name: str) -> int:
    """Check that the device's transactions were done as a whole, in order and once; up to which number."""
    while True:
        head = store.get_head(ACCOUNT)
        counter = read(store, COUNTER.name, name)
        assert counter is not None
        last: int = counter["n"]
        numbers = store.scan_records(ACCOUNT, NUMBER.name, after_key=None, limit=100)
        if store.get_head(ACCOUNT) == head:
            break  # else somebody has written meanwhile
    assert counter["trail"] == trail(last)
    own = {record.key for record in numbers if record.key.startswith(name)}
    assert own == {number_key(name, number) for number in range(max(1, last - KEPT + 1), last + 1)}
    return last


def read(store: Store, object_type: str, key: str) -> dict[str, Any] | None:
    """A record's data."""
    for record in store.get_records(ACCOUNT, object_type, [key]):
        if record.frame is not None:
            data: dict[str, Any] = json.loads(frame_pb2.Frame.FromString(record.frame).data)
            return data
    return None


def check_rest(site: Site) -> None:
    """After a last round of synchronising everything that was ever written is everywhere."""
    reached: dict[str, int] = {}
    views = []
    for client in [*site.clients, *site.clients]:
        with Replica.open(client.path, site.server.address) as replica:
            reached[client.name] = last_number(replica, client.name)
            replica.sync()
            assert reached[client.name] >= client.settled
            shown = [replica.query(f"SELECT * FROM {kind.name} ORDER BY _key") for kind in (COUNTER, NUMBER, SHARED)]
            views.append([[tuple(row) for row in rows] for rows in shown])
            assert replica.query("SELECT count(*) FROM syncline_change")[0][0] == 0
    store = open_store(site.server.database_url)
    assert {name: check_sequence(store, name) for name in NAMES} == reached
    board = read(store, SHARED.name, BOARD)
    assert board is not None
    for name, last in reached.items():
        assert board[name] in (last, last - 1)  # the last kill may have come before the edit of the board was made
    for client in site.clients:
        with Replica.open(client.path) as replica:
            conflicts = store.list_conflicts(
                ACCOUNT, replica.device_uuid, all_devices=True, object_type=None, key=None, before_id=None, limit=10
            )
        assert conflicts == []
    store.close()
    assert views[-1] == views[-2]
