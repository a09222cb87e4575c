"""Unsent updates of one record that become one, for object types that ask for it.

An update merges into the one before it if that was not sent, and each of them stands alone in its transaction: one that
belongs with others has to stand or fall with them. All functions are to be called inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from syncline.data.changes import Edit
from syncline.data.schema import Schema
from syncline.replica.change_log import (
    ChangeState,
    LocalChange,
    LocalOperation,
    changes_of,
    delete_changes,
    read_changes,
    replace_edits,
)
from syncline.replica.overlay import refresh


def merge_within(
    connection: sqlite3.Connection,
    transaction_no: int,
    record: tuple[str, str],
    edits: Sequence[Edit],
    state: ChangeState,
) -> bool:
    """Merge an update into the only change of its own transaction so far, if that is one of the same record.

    False: it is none, and nothing was done.
    """
    earlier = changes_of(connection, *record)
    if not earlier or earlier[-1].transaction_no != transaction_no:
        return False
    return _merge(connection, earlier[-1], edits, state)


def merge_transaction(connection: sqlite3.Connection, schema: Schema, transaction_no: int) -> None:
    """Merge a complete transaction of one update into the change before it of the same record, if that can be."""
    (only,) = read_changes(connection, "transaction_no = ? AND state <> 'hidden'", (transaction_no,))
    kind = schema.object_type(only.object_type)
    if only.operation is not LocalOperation.UPDATE or kind is None or not kind.merge_unsent_updates:
        return
    earlier = [change for change in changes_of(connection, *only.record) if change.change_no < only.change_no]
    if earlier and _merge(connection, earlier[-1], only.edits, only.state):
        delete_changes(connection, [only.change_no])
        refresh(connection, only.object_type, [only.key])


def _merge(connection: sqlite3.Connection, earlier: LocalChange, edits: Sequence[Edit], state: ChangeState) -> bool:
    if earlier.operation is not LocalOperation.UPDATE or earlier.state is not state:
        return False
    (members,) = connection.execute(
        "SELECT count(*) FROM syncline_change WHERE transaction_no = ?", (earlier.transaction_no,)
    ).fetchone()
    if members > 1:
        return False
    merged = _combined(earlier.edits, edits)
    if merged:
        replace_edits(connection, earlier.change_no, merged)
    else:
        delete_changes(connection, [earlier.change_no])
    return True


def _combined(first: Iterable[Edit], second: Iterable[Edit]) -> list[Edit]:
    """One update that does what two did, one after the other."""
    edits = {edit.name: edit for edit in first}
    for edit in second:
        before = edits.get(edit.name)
        edits[edit.name] = edit if before is None else Edit(edit.name, before.old, edit.new)
    return [edit for edit in edits.values() if edit.old != edit.new]
