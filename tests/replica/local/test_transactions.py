"""Local transactions: all or nothing, one inside the other, within limits, and whatever the disk does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from syncline.replica.errors import (
    RecordNotFound,
    ReplicaError,
    StorageFailed,
    TransactionSpansScopes,
    TransactionTooLarge,
)
from syncline.replica.writing import TRANSACTION_CHANGES_MAX, LocalWriter
from tests.replica.local.device import Device


class Leave(Exception):
    """Leaves a block."""


@contextmanager
def _undone(device: Device) -> Iterator[LocalWriter]:
    """A transaction that is left with an error at the end of its block."""
    with suppress(Leave), device.local.transaction() as writer:
        yield writer
        raise Leave


def _create_memos(device: Device, number: int, text: str = "") -> None:
    """Many records in one transaction."""
    with device.local.transaction() as writer:
        for each in range(number):
            writer.create("memo", {"text": text}, key=f"k{each}")


def test_the_changes_of_a_transaction_share_a_number_that_no_other_has(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.create("memo", {}, key="a")
        writer.create("memo", {}, key="b")
    device.create("memo", {}, key="c")
    first, second, third = (change.transaction_no for change in device.changes())
    assert first == second < third


def test_a_block_that_raises_leaves_nothing(device: Device) -> None:
    with _undone(device) as writer:
        writer.create("memo", {}, key="a")
        writer.delete("memo", "m1")
    assert device.changes() == []
    assert device.records("memo").keys() == {"m1"}
    assert device.view_is_plain("memo")
    assert not device.local.in_transaction


def test_a_write_that_is_refused_leaves_the_rest(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.create("memo", {}, key="a")
        with pytest.raises(RecordNotFound):
            writer.update("memo", "nowhere", {})
    assert device.records("memo").keys() == {"a", "m1"}


def test_an_inner_transaction_is_a_part_of_the_outer_one(device: Device) -> None:
    with device.local.transaction() as outer:
        outer.create("memo", {}, key="a")
        with device.local.transaction() as inner:
            inner.create("memo", {}, key="b")
        with _undone(device) as inner:
            inner.create("memo", {}, key="c")
    assert device.records("memo").keys() == {"a", "b", "m1"}
    assert len({change.transaction_no for change in device.changes()}) == 1
    with _undone(device) as outer, device.local.transaction() as inner:
        inner.create("memo", {}, key="d")
    assert "d" not in device.records("memo")


def test_a_number_that_was_undone_is_not_shared(device: Device) -> None:
    with device.local.transaction() as outer:
        with _undone(device) as inner:
            inner.create("memo", {}, key="a")
        outer.create("memo", {}, key="b")
    device.create("memo", {}, key="c")
    first, second = (change.transaction_no for change in device.changes())
    assert first < second


def test_a_view_is_right_after_its_first_change_was_undone(device: Device) -> None:
    with device.local.transaction() as outer:
        with _undone(device) as inner:
            inner.create("memo", {}, key="a")
        assert device.view_is_plain("memo")
        outer.create("memo", {}, key="b")
        assert not device.view_is_plain("memo")
    assert device.records("memo").keys() == {"b", "m1"}


def _create_in_two_scopes(writer: LocalWriter) -> None:
    writer.create("memo", {})
    writer.create("draft", {})


def test_only_changes_of_one_scope_go_together(device: Device) -> None:
    with pytest.raises(TransactionSpansScopes), device.local.transaction() as writer:
        _create_in_two_scopes(writer)
    assert device.changes() == []
    with device.local.transaction() as writer:
        writer.create("memo", {})
        writer.hide("seat", "s1")  # is never sent


def test_what_cannot_be_sent_as_one_is_refused(device: Device) -> None:
    with pytest.raises(TransactionTooLarge, match=r"1,001 changes; at most 1,000"):
        _create_memos(device, TRANSACTION_CHANGES_MAX + 1)
    with pytest.raises(TransactionTooLarge, match="bytes"):
        _create_memos(device, 10, "x" * 900_000)
    assert device.changes() == []
    _create_memos(device, TRANSACTION_CHANGES_MAX)


def test_listeners_hear_of_what_was_committed(device: Device) -> None:
    heard: list[int] = []
    device.local.on_commit(lambda: heard.append(len(device.changes())))
    device.create("memo", {})
    with device.local.transaction() as writer:
        writer.create("memo", {})
        with device.local.transaction():
            writer.create("memo", {})
    with device.local.transaction():
        device.changes()
    with _undone(device) as writer:
        writer.create("memo", {})
    assert heard == [1, 3]


def test_threads_take_turns(device: Device) -> None:
    entered, leave = Event(), Event()

    def write() -> None:
        with device.local.transaction() as writer:
            writer.create("memo", {}, key="other")
            entered.set()
            leave.wait(10)

    thread = Thread(target=write)
    thread.start()
    entered.wait(10)
    mine = device.local.in_transaction
    assert not mine
    leave.set()
    with device.local.transaction() as writer:
        assert device.local.in_transaction
        writer.update("memo", "other", {"text": "seen"})
    thread.join()
    assert device.records("memo")["other"] == {"text": "seen"}


def test_an_error_of_the_app_stays_its_own(device: Device) -> None:
    with pytest.raises(sqlite3.OperationalError, match="mine"), device.local.transaction():
        raise sqlite3.OperationalError("mine")


def test_a_transaction_must_end_before_the_file_is_closed(device: Device) -> None:
    with device.local.transaction(), pytest.raises(ReplicaError, match="transaction is open"):
        device.local.close()
    device.local.close()
    device.local.close()


def test_a_closed_file_is_not_opened_again_by_a_write(device: Device) -> None:
    """Its lock is given back: another process may have it."""
    device.local.close()
    with pytest.raises(ReplicaError, match="closed"), device.local.transaction():
        pass
    with pytest.raises(ReplicaError, match="closed"):
        device.local.schema()


def test_both_sides_of_a_file_wait_equally_long_for_each_other(device: Device) -> None:
    waits = [
        connection.execute("PRAGMA busy_timeout").fetchone()[0]
        for connection in (device.local.connection, device.bench.connection)
    ]
    assert waits == [60_000, 60_000]


def test_a_locked_file_is_called_so(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.replica.connection.BUSY_TIMEOUT_S", 0)
    with closing(sqlite3.connect(device.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFailed, match="locked"):
            device.create("memo", {})
        other.execute("ROLLBACK")
    device.create("memo", {}, key="m2")
    assert device.records("memo").keys() == {"m1", "m2"}


def test_a_full_disk_leaves_nothing_half_written(device: Device) -> None:
    device.create("memo", {"text": "before"}, key="a")
    pages = device.local.connection.execute("PRAGMA page_count").fetchone()[0]
    device.local.connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(StorageFailed, match="full"):
        _create_memos(device, 100, "x" * 10_000)
    assert [change.key for change in device.changes()] == ["a"]
    assert device.records("memo").keys() == {"a", "m1"}
    device.local.connection.execute("PRAGMA max_page_count = 1000000")
    device.create("memo", {"text": "x" * 100_000}, key="b")
    assert device.records("memo").keys() == {"a", "b", "m1"}


def _go_on_after_the_end(device: Device, writer: LocalWriter) -> None:
    writer.create("memo", {}, key="a")
    device.local.connection.execute("ROLLBACK")
    with pytest.raises(StorageFailed), device.local.transaction():
        pass
    writer.create("memo", {}, key="b")


def test_a_transaction_that_sqlite_has_ended_is_not_gone_on_with(device: Device) -> None:
    """As after a full disk: what is written afterwards would be committed by itself."""
    with pytest.raises(StorageFailed, match="undone the whole"), device.local.transaction() as writer:
        _go_on_after_the_end(device, writer)
    assert device.changes() == []


def test_what_was_committed_is_there_for_the_next_opener(path: Path) -> None:
    with closing(Device(path)) as device:
        device.receive(("memo", "m1", {"text": "x"}))
        device.create("memo", {"text": "y"}, key="m2")
    with closing(Device(path)) as device:
        assert device.records("memo") == {"m1": {"text": "x"}, "m2": {"text": "y"}}
        assert device.told() == [("memo", "m2", "insert", "pending")]
