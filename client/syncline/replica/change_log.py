"""The log of local changes: the rows of `syncline_change`.

Each local write is a row, in the order made. It stays until the base shows what came of it, or until it is taken back.
What a change says of its record never changes, except that unsent updates may be merged. All functions are to be called
inside the caller's transaction.
"""

# ruff: noqa: S608 - conditions are written by callers in this package, values are bound

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from syncline.data.changes import Edit, Verdict
from syncline.data.ids import uuid7
from syncline.replica.trace_contexts import current_trace_context


class LocalOperation(Enum):
    """What a local write does."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    HIDE = "hide"
    """Removes the record from this device only; never uploaded."""


class ChangeState(Enum):
    """How far a change has got."""

    DEFERRED = "deferred"
    """Made with `upload=False`; waits until it is marked for upload."""
    PENDING = "pending"
    """Waits for upload; *held back* while one before it was rejected or is deferred (see `HELD_BACK`)."""
    SENT = "sent"
    """Its frozen bytes were handed to the network; its verdict is not known."""
    REJECTED = "rejected"
    """Refused; stays in the view, waits to be sent again or rolled back."""
    SETTLED = "settled"
    """Has its verdict; lies over the base until the base has caught up."""
    HIDDEN = "hidden"
    """Of the operation HIDE: concerns this device only."""


UNSENT = (ChangeState.DEFERRED, ChangeState.PENDING, ChangeState.REJECTED)
"""States of changes that can simply be taken back: the server has no part of them."""

UNSENT_SQL = "state IN ('deferred', 'pending', 'rejected')"
"""The condition that a change is in one of them."""

HELD_BACK = """(WITH RECURSIVE held (change_no, object_type, key, transaction_no) AS (
    SELECT change_no, object_type, key, transaction_no FROM syncline_change WHERE state IN ('deferred', 'rejected')
    UNION
    SELECT later.change_no, later.object_type, later.key, later.transaction_no FROM held
        JOIN syncline_change AS later
        ON later.object_type = held.object_type AND later.key = held.key AND later.change_no > held.change_no
        WHERE later.state = 'pending'
    UNION
    SELECT member.change_no, member.object_type, member.key, member.transaction_no FROM held
        JOIN syncline_change AS member ON member.transaction_no = held.transaction_no
        WHERE member.state = 'pending'
) SELECT change_no FROM held)"""
"""A subquery of change numbers: those that are deferred or rejected, and the pending ones that must wait for them.

A pending change waits if an earlier change of its record waits, or any change of its transaction.
"""


@dataclass(frozen=True, slots=True)
class ChangeRefusal:
    """Why the server rejected a change."""

    reason: str
    """A name of `syncline.v1.ErrorReason`."""
    message: str
    field: str = ""
    """The field that breaks a rule; empty if none is to blame."""


@dataclass(frozen=True, slots=True)
class LocalChange:
    """One row of the log. Records are canonical JSON text; the properties without `_text` read it anew each time."""

    change_no: int
    change_uuid: bytes
    object_type: str
    key: str
    scope: str
    bucket: str
    """INSERT: where the record is to be created."""
    operation: LocalOperation
    data_text: str | None
    """INSERT: the record."""
    edits: tuple[Edit, ...]
    """UPDATE: the fields that change."""
    deleted_text: str | None
    """DELETE and HIDE: the record as the app saw it."""
    transaction_no: int
    base_revision: int
    base_epoch: str
    """The server's history that `base_revision` belongs to."""
    made_at_us: int
    state: ChangeState
    change_seq: int | None
    """Given when it is sent."""
    sent: bytes | None
    """The message as it was sent, frozen."""
    verdict: Verdict | None
    verdict_revision: int | None
    verdict_text: str | None
    """MERGED and SERVER_WON: the record as the server has it; None: gone."""
    refusal: ChangeRefusal | None
    roll_back: bool
    """It was rolled back after it was sent: to be reversed once its verdict is known."""

    @property
    def record(self) -> tuple[str, str]:
        """What it changes: object type and key."""
        return self.object_type, self.key

    @property
    def data(self) -> dict[str, Any] | None:
        """INSERT: the record."""
        return _parsed(self.data_text)

    @property
    def deleted_data(self) -> dict[str, Any] | None:
        """DELETE and HIDE: the record as the app saw it."""
        return _parsed(self.deleted_text)

    @property
    def verdict_data(self) -> dict[str, Any] | None:
        """MERGED and SERVER_WON: the record as the server has it; None: gone."""
        return _parsed(self.verdict_text)

    @property
    def unsent(self) -> bool:
        """Can it simply be taken back?"""
        return self.state in UNSENT


_COLUMNS = (
    "change_no, change_uuid, object_type, key, scope, bucket, operation, data, edits, deleted_data, transaction_no, "
    "base_revision, base_epoch, made_at_us, state, change_seq, sent, verdict, verdict_revision, verdict_data, refusal, "
    "roll_back"
)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Are there no local changes at all? Nearly free, so that downloads without any need not look further."""
    return connection.execute("SELECT 1 FROM syncline_change LIMIT 1").fetchone() is None


def read_changes(
    connection: sqlite3.Connection, where: str = "1", parameters: Sequence[object] = ()
) -> list[LocalChange]:
    """The changes of which an SQL condition holds, in the order made."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM syncline_change WHERE {where} ORDER BY change_no", parameters)
    return [_change(row) for row in rows]


def changes_of(connection: sqlite3.Connection, object_type: str, key: str) -> list[LocalChange]:
    """The changes of one record, in the order made."""
    return read_changes(connection, "object_type = ? AND key = ?", (object_type, key))


def held_back(connection: sqlite3.Connection) -> set[int]:
    """The numbers of pending changes that must wait for a rejected or deferred one."""
    rows = connection.execute(
        f"SELECT change_no FROM syncline_change WHERE state = 'pending' AND change_no IN {HELD_BACK}"
    )
    return {number for (number,) in rows}


def insert_change(
    connection: sqlite3.Connection,
    *,
    object_type: str,
    key: str,
    scope: str,
    operation: LocalOperation,
    transaction_no: int,
    state: ChangeState,
    bucket: str = "",
    data: str | None = None,
    edits: Iterable[Edit] = (),
    deleted_data: str | None = None,
    base_revision: int = 0,
    base_epoch: str = "",
) -> int:
    """Add a change to the log, under a new UUID. Its number."""
    return int(
        connection.execute(
            "INSERT INTO syncline_change (change_uuid, object_type, key, scope, bucket, operation, data, edits,"
            " deleted_data, transaction_no, base_revision, base_epoch, made_at_us, state, trace_context)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                uuid7().bytes,
                object_type,
                key,
                scope,
                bucket,
                operation.value,
                data,
                _edits_text(edits) if operation is LocalOperation.UPDATE else None,
                deleted_data,
                transaction_no,
                base_revision,
                base_epoch,
                time.time_ns() // 1000,
                state.value,
                current_trace_context(),
            ),
        ).lastrowid
        or 0
    )


def replace_edits(connection: sqlite3.Connection, change_no: int, edits: Iterable[Edit]) -> None:
    """Make an unsent update another one: a change that says something else has another UUID."""
    connection.execute(
        "UPDATE syncline_change SET edits = ?, change_uuid = ?, made_at_us = ?, trace_context = ? WHERE change_no = ?",
        (_edits_text(edits), uuid7().bytes, time.time_ns() // 1000, current_trace_context(), change_no),
    )


def replace_deleted(connection: sqlite3.Connection, change_no: int, deleted_data: str | None) -> None:
    """Make an unsent delete one of other data, as `replace_edits`."""
    connection.execute(
        "UPDATE syncline_change SET deleted_data = ?, change_uuid = ?, made_at_us = ?, trace_context = ?"
        " WHERE change_no = ?",
        (deleted_data, uuid7().bytes, time.time_ns() // 1000, current_trace_context(), change_no),
    )


def set_state(connection: sqlite3.Connection, numbers: Iterable[int], state: ChangeState) -> None:
    """Move changes to a state, and nothing else."""
    connection.execute(
        "UPDATE syncline_change SET state = ? WHERE change_no IN (SELECT value FROM json_each(?))",
        (state.value, json.dumps(list(numbers))),
    )


def set_roll_back(connection: sqlite3.Connection, numbers: Iterable[int], *, roll_back: bool) -> None:
    """Mark changes as to be reversed once their verdicts are known, or take the mark away."""
    connection.execute(
        "UPDATE syncline_change SET roll_back = ? WHERE change_no IN (SELECT value FROM json_each(?))",
        (int(roll_back), json.dumps(list(numbers))),
    )


def delete_changes(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Take changes out of the log. Whoever does refreshes the overlay of their records."""
    connection.execute(
        "DELETE FROM syncline_change WHERE change_no IN (SELECT value FROM json_each(?))", (json.dumps(list(numbers)),)
    )


def next_transaction_no(connection: sqlite3.Connection) -> int:
    """A number that no local transaction had before."""
    (number,) = connection.execute(
        "INSERT INTO syncline_meta (name, value) VALUES ('next_transaction_no', 2)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value - 1"
    ).fetchone()
    return int(number)


def _edits_text(edits: Iterable[Edit]) -> str:
    return json.dumps([list(edit) for edit in edits], ensure_ascii=False, separators=(",", ":"))


def _parsed(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value: dict[str, Any] = json.loads(text)
    return value


def _change(row: tuple[Any, ...]) -> LocalChange:
    number, uuid, object_type, key, scope, bucket, operation, data, edits, deleted, transaction_no, *rest = row
    revision, epoch, made_at_us, state, seq, sent, verdict, verdict_revision, verdict_data, refusal, roll_back = rest
    return LocalChange(
        change_no=number,
        change_uuid=uuid,
        object_type=object_type,
        key=key,
        scope=scope,
        bucket=bucket,
        operation=LocalOperation(operation),
        data_text=data,
        edits=tuple(Edit(*edit) for edit in json.loads(edits)) if edits is not None else (),
        deleted_text=deleted,
        transaction_no=transaction_no,
        base_revision=revision,
        base_epoch=epoch,
        made_at_us=made_at_us,
        state=ChangeState(state),
        change_seq=seq,
        sent=sent,
        verdict=Verdict(verdict) if verdict is not None else None,
        verdict_revision=verdict_revision,
        verdict_text=verdict_data,
        refusal=ChangeRefusal(**json.loads(refusal)) if refusal is not None else None,
        roll_back=bool(roll_back),
    )
