"""Taking local changes back, reversing those that were sent already, and sending rejected ones again.

What was not sent simply goes, with all that depends on it, and its records are computed anew from the base. What was
sent may have reached the server: it is marked, and reversed by a new change once its verdict is known.

All functions are to be called inside the caller's transaction: they do all of it, or raise and have done nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from syncline.data.changes import Edit, Verdict, apply_edits, edits_between, field_text
from syncline.data.schema import Schema
from syncline.replica.change_log import (
    UNSENT_SQL,
    ChangeState,
    LocalChange,
    LocalOperation,
    changes_of,
    delete_changes,
    insert_change,
    next_transaction_no,
    read_changes,
    replace_deleted,
    replace_edits,
    set_roll_back,
)
from syncline.replica.errors import AwaitingVerdict
from syncline.replica.overlay import canonical, cover_items, lay_over, read_base, read_row, refresh
from syncline.replica.taking import Record, RolledBack, Taking

__all__ = ["RolledBack", "compensate", "resend", "roll_back", "undo_last"]


def roll_back(
    connection: sqlite3.Connection,
    schema: Schema,
    object_type: str | None = None,
    key: str | None = None,
    *,
    cascade: bool = False,
) -> RolledBack:
    """Take back the changes of one record, of one object type, or all.

    With a change go the later ones of its record and all others of its transaction, and what depends on these in turn.

    Raises:
        ChildrenExist: changed records refer to one that would be gone, and `cascade` is not set. With it, their
            changes are taken back, too.
    """
    condition, parameters = "state IN ('deferred', 'pending', 'rejected', 'sent')", []
    for column, value in (("object_type", object_type), ("key", key)):
        if value is not None:
            condition += f" AND {column} = ?"
            parameters.append(value)
    taking = Taking(connection, schema)
    taking.add(read_changes(connection, condition, parameters))
    if object_type is not None:
        taking.follow_relationships(cascade=cascade)
    return taking.finish()


def undo_last(connection: sqlite3.Connection, schema: Schema, object_type: str, key: str) -> RolledBack:
    """Take back the newest unsent change of a record, with its whole transaction and what depends on that.

    Raises:
        ChildrenExist: changed records refer to one that would be gone.
    """
    unsent = read_changes(connection, f"object_type = ? AND key = ? AND {UNSENT_SQL}", (object_type, key))
    taking = Taking(connection, schema)
    taking.add(unsent[-1:])
    taking.follow_relationships(cascade=False)
    return taking.finish()


def compensate(connection: sqlite3.Connection, schema: Schema, changes: Iterable[LocalChange]) -> int:
    """Reverse changes that were rolled back while they were on their way, now that they have answers.

    What the server did not do is forgotten; what it did is reversed by new changes, as far as records still show it.
    Changes of one record or transaction wait for each other. How many new changes.

    Args:
        connection: inside a transaction in which the answers were stored.
        schema: the schema in force.
        changes: those with `roll_back` set that were answered.
    """
    done: set[int] = set()
    made = 0
    for change in changes:
        if change.change_no in done:
            continue
        group = _marked_with(connection, change.change_no)
        done |= group.keys()
        if not any(each.state is ChangeState.SENT for each in group.values()):
            made += _reverse(connection, schema, sorted(group.values(), key=lambda each: -each.change_no))
    return made


def resend(connection: sqlite3.Connection, schema: Schema, object_type: str, key: str) -> int:
    """Send a rejected change again, as the record stands now. How many new changes wait for upload.

    The rejected change, and all that depends on it, becomes one new change for each record: the difference between the
    newest server state known and what the app sees; none if there is no difference. Those of several records are one
    transaction. 0 as well if nothing of the record was rejected.

    Raises:
        AwaitingVerdict: a change that depends on the rejected one was sent, and its verdict is not known.
    """
    taking = Taking(connection, schema)
    taking.add(read_changes(connection, "object_type = ? AND key = ? AND state = 'rejected'", (object_type, key))[:1])
    for change in taking.marked.values():
        rule = "a later change was sent: synchronise before the rejected one is sent again"
        raise AwaitingVerdict(change.object_type, change.key, "", rule)
    wanted = {record: read_row(connection, *record) for record in taking.records()}
    last = {change.record: change for change in taking.gone.values()}
    delete_changes(connection, taking.gone)
    transaction_no = next_transaction_no(connection) if wanted else 0
    made = 0
    for record, row in wanted.items():
        base = read_base(connection, *record)
        under = lay_over(base.data if base is not None else None, changes_of(connection, *record))
        text = row.data if row is not None else None
        if under != text:
            bucket = row.bucket if row is not None else last[record].bucket
            _log_difference(connection, record, last[record].scope, bucket, under, text, transaction_no)
            made += 1
        refresh(connection, record[0], [record[1]])
    return made


def _marked_with(connection: sqlite3.Connection, change_no: int) -> dict[int, LocalChange]:
    """The marked changes that belong to this one by record or transaction, itself included, as they stand."""
    group: dict[int, LocalChange] = {}
    seen: set[object] = set()
    open_changes = read_changes(connection, "change_no = ? AND roll_back", (change_no,))
    while open_changes:
        change = open_changes.pop()
        group[change.change_no] = change
        if change.record not in seen:
            seen.add(change.record)
            open_changes += read_changes(connection, "object_type = ? AND key = ? AND roll_back", change.record)
        if change.transaction_no not in seen:
            seen.add(change.transaction_no)
            open_changes += read_changes(connection, "transaction_no = ? AND roll_back", (change.transaction_no,))
    return group


def _reverse(connection: sqlite3.Connection, schema: Schema, newest_first: Sequence[LocalChange]) -> int:
    """Reverse a group of marked changes that all have answers. How many new changes."""
    undone = [change for change in newest_first if change.state is not ChangeState.SETTLED]
    if undone:
        # What the server did not do goes as if it had never been sent, and takes along what cannot be without it. What
        # the app wrote after the roll back is not meant by it, and stays.
        taking = Taking(connection, schema)
        taking.add_alone(undone)
        taking.add(_left_without_record(connection, undone))
        taking.follow_relationships(cascade=True)
        taking.finish()
        for record in dict.fromkeys(change.record for change in undone):
            _say_anew(connection, record)
    transaction_no: int | None = None
    made = 0
    for change in newest_first:
        if change.state is not ChangeState.SETTLED:
            continue
        wanted = _reversed(connection, change, transaction_no)
        if wanted is not None:
            transaction_no = transaction_no or next_transaction_no(connection)
            under, text = wanted
            _log_difference(connection, change.record, change.scope, change.bucket, under, text, transaction_no)
            refresh(connection, change.object_type, [change.key])
            made += 1
    set_roll_back(connection, (change.change_no for change in newest_first), roll_back=False)
    for object_type, key in dict.fromkeys(change.record for change in newest_first):
        cover_items(connection, object_type, [(key, 0)])
    return made


def _left_without_record(connection: sqlite3.Connection, undone: Sequence[LocalChange]) -> list[LocalChange]:
    """The first unsent change of each record that would change nothing, were these not there."""
    found = []
    going = {change.change_no for change in undone}
    for record in dict.fromkeys(change.record for change in undone):
        base = read_base(connection, *record)
        text = base.data if base is not None else None
        for change in changes_of(connection, *record):
            if change.change_no in going:
                continue
            if text is None and change.unsent and change.operation is not LocalOperation.INSERT:
                found.append(change)
                break
            text = lay_over(text, [change])
    return found


def _say_anew(connection: sqlite3.Connection, record: Record) -> None:
    """Let unsent changes of a record start from what is there, now that an earlier one is gone."""
    base = read_base(connection, *record)
    text = base.data if base is not None else None
    for change in changes_of(connection, *record):
        if change.unsent and text is not None and change.operation is LocalOperation.UPDATE:
            before = json.loads(text)
            edits = [Edit(edit.name, field_text(before, edit.name), edit.new) for edit in change.edits]
            edits = [edit for edit in edits if edit.old != edit.new]
            if edits:
                replace_edits(connection, change.change_no, edits)
            else:
                delete_changes(connection, [change.change_no])
        elif change.unsent and change.operation is LocalOperation.DELETE:
            replace_deleted(connection, change.change_no, text)
        text = lay_over(text, [change])
    refresh(connection, record[0], [record[1]])


def _reversed(
    connection: sqlite3.Connection, change: LocalChange, transaction_no: int | None
) -> tuple[str | None, str | None] | None:
    """What the record shows, and what it shows without a change that took effect; None: there is nothing to reverse."""
    row = read_row(connection, *change.record)
    if change.verdict is Verdict.SERVER_WON:
        return None
    if change.operation is LocalOperation.INSERT:
        later = (
            each
            for each in changes_of(connection, *change.record)
            if each.change_no > change.change_no and not each.roll_back and each.transaction_no != transaction_no
        )
        # An app that went on with the record has taken it up again.
        return None if row is None or any(later) else (row.data, None)
    if change.operation is LocalOperation.DELETE:
        return (None, change.deleted_text) if row is None else None
    if row is None:
        return None
    record = row.record
    edits = [edit for edit in change.edits if field_text(record, edit.name) == edit.new]
    restored = canonical(apply_edits(record, (Edit(edit.name, edit.new, edit.old) for edit in edits)))
    return (row.data, restored) if edits else None


def _log_difference(
    connection: sqlite3.Connection,
    record: Record,
    scope: str,
    bucket: str,
    under: str | None,
    text: str | None,
    transaction_no: int,
) -> None:
    """Add the change that makes `text` of `under`, which are not equal."""
    object_type, key = record
    base = read_base(connection, object_type, key)
    operation, data, deleted = LocalOperation.UPDATE, None, None
    edits: tuple[Edit, ...] = ()
    if under is None:
        operation, data = LocalOperation.INSERT, text
    elif text is None:
        operation, deleted = LocalOperation.DELETE, under
    else:
        edits = edits_between(json.loads(under), json.loads(text))
    insert_change(
        connection,
        object_type=object_type,
        key=key,
        scope=scope,
        bucket=bucket,
        operation=operation,
        data=data,
        edits=edits,
        deleted_data=deleted,
        transaction_no=transaction_no,
        state=ChangeState.PENDING,
        base_revision=base.revision if base is not None else 0,
        base_epoch=base.store_epoch if base is not None else "",
    )
