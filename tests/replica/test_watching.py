"""Following the server live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from syncline.client import AlreadySyncing, ConnectionLost, Superseded
from syncline.replica import Replica, ReplicaError, SyncReport, SyncStopped
from syncline.replica.run import Run
from syncline.replica.runs import Runs
from tests.replica.serving import ServedStore


@pytest.fixture
def replica(path: Path, server: ServedStore) -> Iterator[Replica]:
    with Replica.open(path, server.address) as replica:
        yield replica


def test_changes_arrive_as_they_happen(server: ServedStore, replica: Replica) -> None:
    server.write({"a": "a"})
    watching = replica.watch()
    assert next(watching).total.inserted == 1
    for number in range(3):
        head = server.write({"a": f"changed {number}"})
        report = next(watching)
        assert (report.total.updated, report.checkpoint_revision) == (1, head)
        assert replica.query("SELECT text FROM note")[0]["text"] == f"changed {number}"
    watching.close()
    assert replica.sync().nothing_new


def test_a_watch_with_nothing_to_read_reports_at_once(replica: Replica) -> None:
    assert next(replica.watch()).counts == {}


def test_stop_ends_a_watch_from_another_thread(replica: Replica) -> None:
    reports: list[SyncReport] = []
    connected = Thread(target=lambda: reports.extend(_first_then_stop(replica)))
    connected.start()
    connected.join()
    assert len(reports) == 1


def _first_then_stop(replica: Replica) -> Iterator[SyncReport]:
    for report in replica.watch():
        yield report
        # The watch waits for a change that never comes when this takes effect, or is about to.
        Thread(target=replica.stop).start()


def test_a_file_closes_while_a_watch_of_it_is_left_open(path: Path, server: ServedStore) -> None:
    replica = Replica.open(path, server.address)
    watching = replica.watch()
    next(watching)
    replica.close()
    assert list(watching) == []
    Replica.open(path).close()


def test_leaving_the_loop_ends_the_watch(replica: Replica) -> None:
    for _ in replica.watch():
        break
    assert replica.sync().nothing_new


def test_closing_ends_a_run_that_is_only_beginning(
    replica: Replica, monkeypatch: pytest.MonkeyPatch, server: ServedStore
) -> None:
    """`close` has nothing to stop yet when it looks, and would wait for a watch that goes on for ever."""
    beginning, told = Event(), Event()
    make, end = Run.__init__, Runs.stop

    def make_late(run: Run, *args: Any) -> None:
        make(run, *args)
        beginning.set()
        told.wait()

    def stop(runs: Runs) -> None:
        end(runs)
        told.set()

    monkeypatch.setattr(Run, "__init__", make_late)
    monkeypatch.setattr(Runs, "stop", stop)
    reports: list[SyncReport] = []
    watcher = Thread(target=lambda: reports.extend(replica.watch()), daemon=True)
    watcher.start()
    beginning.wait()
    closer = Thread(target=replica.close, daemon=True)
    closer.start()
    closer.join()
    watcher.join()
    assert reports == []


def test_a_callback_cannot_close_the_replica_it_runs_in(server: ServedStore, path: Path) -> None:
    server.write({"a": "a"})
    replica = Replica.open(path, server.address)
    with pytest.raises(ReplicaError, match=r"call stop\(\)"):
        replica.sync(progress=lambda _: replica.close())
    replica.close()
    Replica.open(path).close()


def test_a_loop_over_a_watch_may_close_the_replica(server: ServedStore, replica: Replica) -> None:
    for _ in replica.watch():
        replica.close()


def test_one_run_at_a_time(replica: Replica) -> None:
    watching = replica.watch()
    next(watching)
    with pytest.raises(AlreadySyncing):
        replica.sync()


def test_a_copy_of_the_file_takes_over(server: ServedStore, replica: Replica, path: Path) -> None:
    watching = replica.watch()
    next(watching)
    with Replica.open(path.with_name("copy.db"), server.address, device=replica.device_uuid) as copy:
        copy.sync()
        with pytest.raises(Superseded):
            next(watching)


def test_a_sync_that_is_stopped_says_so(server: ServedStore, path: Path) -> None:
    server.write({"a": "a", "b": "b", "c": "c"})
    with Replica.open(path, server.address, page_size=1) as replica:
        with pytest.raises(SyncStopped):
            replica.sync(progress=lambda _: replica.stop())
        assert replica.sync().total.received == 2


def test_a_server_that_is_not_there_is_an_error_soon(path: Path) -> None:
    with Replica.open(path, "127.0.0.1:1", attempts_max=0) as replica, pytest.raises(ConnectionLost):
        replica.sync()
