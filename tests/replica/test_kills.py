"""SIGKILL in the middle of a first sync: nothing is lost, nothing that was acknowledged comes again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.data.schema import Schema
from syncline.replica import Progress, Replica, ReplicaReader
from syncline.storage import Store, open_store
from tests.harness.programs import running_program
from tests.harness.server import ServerProcess, start_server
from tests.replica.serving import ACCOUNT, NOTE, number_notes, write_notes

PAGE = 10
NOTES = number_notes(1_000)

PROGRAM = """
import sys
from syncline.replica import Replica
with Replica.open(sys.argv[1], sys.argv[2], page_size=10) as replica:
    replica.sync(progress=lambda progress: print(progress.received, flush=True))
"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'server.db'}"


@pytest.fixture
def server(database: str) -> Iterator[ServerProcess]:
    with start_server(database) as server:
        yield server


@pytest.fixture
def store(database: str, server: ServerProcess) -> Iterator[Store]:
    store = open_store(database)
    store.create_account(ACCOUNT)
    store.write_schema(ACCOUNT, Schema(object_types=(NOTE,)), expected_version=0)
    write_notes(store, NOTES)
    yield store
    store.close()


def texts(path: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in ReplicaReader(path).query("SELECT id, text FROM note")}


def acked_through(store: Store, replica: Replica) -> int:
    return max((position.acked_through for position in store.list_positions(ACCOUNT, replica.device_uuid)), default=0)


def test_g4_a_killed_device_goes_on_where_it_was(server: ServerProcess, store: Store, path: Path) -> None:
    with running_program([sys.executable, "-c", PROGRAM, path, server.address]) as (_, output):
        for _ in range(20):
            output.readline()
    with Replica.open(path, server.address, page_size=PAGE) as replica:
        acknowledged = acked_through(store, replica)
        stored = replica.status().feeds[0].revision
        report = replica.sync()
    assert stored >= max(200, acknowledged)
    assert report.total.received == len(NOTES) - stored
    assert texts(path) == NOTES


def test_g3_a_killed_server_is_outlived_by_the_run(server: ServerProcess, store: Store, path: Path) -> None:
    restarted: list[int] = []

    def restart(progress: Progress) -> None:
        if progress.received >= 200 and not restarted:
            restarted.append(progress.received)
            server.restart()

    with Replica.open(path, server.address, page_size=PAGE) as replica:
        report = replica.sync(progress=restart)
        assert acked_through(store, replica) == report.checkpoint_revision
    assert restarted
    assert report.total.received == report.total.inserted == len(NOTES)
    assert texts(path) == NOTES


def test_a_watch_outlives_the_server(server: ServerProcess, store: Store, path: Path) -> None:
    with Replica.open(path, server.address) as replica:
        watching = replica.watch()
        assert next(watching).total.inserted == len(NOTES)
        server.restart()
        write_notes(store, {"new": "new"})
        while "new" not in texts(path):
            next(watching)
