"""Which changes go up next, without a server."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncline.data.canonical import data_hash
from syncline.replica.change_log import ChangeState, set_state
from syncline.replica.connection import transaction
from syncline.replica.local_database import LocalDatabase
from syncline.replica.numbering import settled_through
from syncline.replica.outbox import Place, give_back_held, last_change_no, next_batch
from syncline.v1 import upload_pb2
from tests.replica.building import Bench, page, put, segment

Batches = Callable[..., list[list[str]]]


@pytest.fixture
def local(bench: Bench, path: Path) -> Iterator[LocalDatabase]:
    """The app's side of a file that holds items a to e, of revisions 1 to 5."""
    rows = [put(key, revision) for revision, key in enumerate("abcde", start=1)]
    others = [put("o", 6, object_type="other")]
    bench.apply(page(segment(*rows), segment(*others, scope="second"), checkpoint=6))
    local = LocalDatabase(path)
    yield local
    local.close()


def rename(local: LocalDatabase, *keys: str, object_type: str = "item", upload: bool = True) -> None:
    """Change these records in one transaction."""
    with local.transaction() as writer:
        for key in keys:
            (count,) = local.connection.execute("SELECT count(*) FROM syncline_change").fetchone()
            writer.update(object_type, key, {"name": f"changed {count}"}, upload=upload)


def new_place(connection: sqlite3.Connection) -> Place:
    return Place(through_no=last_change_no(connection))


def take(bench: Bench, place: Place | None = None, **limits: int) -> list[upload_pb2.Change]:
    """The next batch."""
    with transaction(bench.connection):
        return next_batch(bench.connection, place or new_place(bench.connection), lambda _: True, "epoch 1", **limits)


def keys(batch: list[upload_pb2.Change]) -> str:
    return "".join(change.key for change in batch)


def reject(bench: Bench, change_no: int) -> None:
    with transaction(bench.connection):
        set_state(bench.connection, [change_no], ChangeState.REJECTED)


def test_changes_go_up_in_the_order_made_with_ascending_numbers(bench: Bench, local: LocalDatabase) -> None:
    for key in "cab":
        rename(local, key)
    place = new_place(bench.connection)
    first, second = take(bench, place, changes_max=2), take(bench, place, changes_max=2)
    assert (keys(first), keys(second), take(bench, place)) == ("ca", "b", [])
    assert [change.change_seq for change in first + second] == [1, 2, 3]


def test_what_a_message_says(bench: Bench, local: LocalDatabase) -> None:
    with local.transaction() as writer:
        writer.create("item", {"name": "ä"}, key="new")
    with local.transaction() as writer:
        writer.update("item", "b", {"name": None, "size": 7})
    with local.transaction() as writer:
        writer.delete("item", "c")
    created, updated, deleted = take(bench)
    assert (created.operation, created.data, created.base_revision) == (
        upload_pb2.OPERATION_INSERT,
        '{"name":"ä"}'.encode(),
        0,
    )
    assert [(edit.name, edit.old_value, edit.HasField("new_value")) for edit in updated.edits] == [
        ("name", b'"b@2"', False),
        ("size", b"", True),
    ]
    assert (updated.base_revision, updated.group_size, updated.transaction_id) == (2, 0, b"")
    assert (deleted.operation, deleted.deleted_hash) == (upload_pb2.OPERATION_DELETE, data_hash(b'{"name":"c@3"}'))
    assert len({bytes(change.change_uuid) for change in (created, updated, deleted)}) == 3


def test_g7_a_transaction_is_never_cut(bench: Bench, local: LocalDatabase) -> None:
    rename(local, "a")
    rename(local, "b", "c", "d")
    rename(local, "e")
    place = new_place(bench.connection)
    batches = [take(bench, place, changes_max=2) for _ in range(4)]
    assert [keys(batch) for batch in batches] == ["a", "bcd", "e", ""]
    group = batches[1]
    assert {change.group_size for change in group} == {3}
    assert {change.transaction_id for change in group} == {group[0].change_uuid}


def test_a_batch_has_a_limit_of_bytes(bench: Bench, local: LocalDatabase) -> None:
    for key in "abc":
        with local.transaction() as writer:
            writer.update("item", key, {"name": "x" * 1000})
    place = new_place(bench.connection)
    assert [keys(take(bench, place, bytes_max=2500)) for _ in range(3)] == ["ab", "c", ""]


def test_g6_what_was_sent_is_repeated_byte_for_byte_before_all_else(bench: Bench, local: LocalDatabase) -> None:
    rename(local, "a")
    rename(local, "b", "c")
    sent = take(bench)
    rename(local, "a")
    place = new_place(bench.connection)
    again = take(bench, place, changes_max=3)
    assert [change.SerializeToString() for change in again] == [change.SerializeToString() for change in sent]
    assert [change.change_seq for change in take(bench, place)] == [4]


def test_what_is_made_during_an_upload_waits_for_the_next(bench: Bench, local: LocalDatabase) -> None:
    rename(local, "a")
    place = new_place(bench.connection)
    rename(local, "b")
    assert keys(take(bench, place)) == "a"
    assert keys(take(bench)) == "ab"


def test_g7_what_depends_on_a_rejected_change_is_held_back(bench: Bench, local: LocalDatabase) -> None:
    """Of the same record or transaction, and what depends on these in turn; all else goes on."""
    rename(local, "a")
    rename(local, "a", "b")
    rename(local, "b", "c")
    rename(local, "d")
    rename(local, "c")
    reject(bench, 1)
    assert keys(take(bench)) == "d"


def test_a_deferred_change_holds_back_its_transaction(bench: Bench, local: LocalDatabase) -> None:
    with local.transaction() as writer:
        writer.update("item", "a", {"name": "x"})
        writer.update("item", "b", {"name": "x"}, upload=False)
    rename(local, "a")
    rename(local, "c")
    assert keys(take(bench)) == "c"


def test_only_changes_of_wanted_scopes_go_up(bench: Bench, local: LocalDatabase) -> None:
    rename(local, "a")
    rename(local, "o", object_type="other")
    rename(local, "b")
    with transaction(bench.connection):
        place = new_place(bench.connection)
        batch = next_batch(bench.connection, place, lambda scope: scope == "second", "epoch 1")
        assert keys(batch) == "o"
    assert keys(take(bench)) == "oab"


def test_a_base_of_another_history_counts_as_none(bench: Bench, local: LocalDatabase) -> None:
    rename(local, "b")
    with transaction(bench.connection):
        (change,) = next_batch(bench.connection, new_place(bench.connection), lambda _: True, "epoch 2")
    assert change.base_revision == 0


def test_g7_what_was_sent_behind_a_rejected_change_waits_again_on_a_new_stream(
    bench: Bench, local: LocalDatabase
) -> None:
    for key in "aba":
        rename(local, key)
    rename(local, "a", "c")
    assert keys(take(bench)) == "abaac"
    reject(bench, 1)
    with transaction(bench.connection):
        assert give_back_held(bench.connection) == [3, 4, 5]
        # Nothing that the server has not answered is told to be settled.
        assert settled_through(bench.connection) == 0
    assert keys(take(bench)) == "b"


def test_a_merged_update_goes_up_as_one(bench: Bench, local: LocalDatabase) -> None:
    rename(local, "a")
    (sent,) = take(bench)
    rows = bench.connection.execute("SELECT sent, edits FROM syncline_change").fetchall()
    assert upload_pb2.Change.FromString(rows[0][0]) == sent
    assert json.loads(rows[0][1]) == [["name", '"a@1"', '"changed 0"']]
