"""What goes up next: changes in the order in which they may be decided, with numbers and frozen bytes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncline.data.canonical import data_hash
from syncline.replica.change_log import ChangeState
from syncline.replica.facts import write_facts
from syncline.replica.numbering import next_change_seq
from syncline.replica.trace_contexts import LINKS_MAX
from syncline.v1 import upload_pb2

BATCH_CHANGES = 1_000
"""Of one message, unless told otherwise: as many as the server takes."""
BATCH_BYTES_MAX = 2 * 1024 * 1024

_OPERATIONS = {
    "insert": upload_pb2.OPERATION_INSERT,
    "update": upload_pb2.OPERATION_UPDATE,
    "delete": upload_pb2.OPERATION_DELETE,
}
_SEQ_BYTES_MAX = 11
"""What a number adds to a message at most."""
_GROUP_BYTES = 24
"""What belonging to a transaction adds to a message."""

Wants = Callable[[str], bool]
"""Are changes of this scope wanted?"""


@dataclass(slots=True)
class Place:
    """How far one stream has got."""

    through_no: int
    """Nothing that was made later goes up: an upload ends, however much the app writes meanwhile."""
    change_seq: int = 0
    """What was sent before is repeated up to here."""
    change_no: int = 0
    """What was never sent has been looked at up to here."""
    blocked: set[tuple[str, str]] = field(default_factory=set)
    """Records (object type, key) of which something up to `change_no` does not go up, so that nothing later may."""

    def look_again(self) -> None:
        """Begin anew with what was never sent: what holds what back may have changed."""
        self.change_no = 0
        self.blocked.clear()


def next_batch(
    connection: sqlite3.Connection,
    place: Place,
    wants: Wants,
    store_epoch: str,
    *,
    changes_max: int = BATCH_CHANGES,
    bytes_max: int = BATCH_BYTES_MAX,
) -> list[upload_pb2.Change]:
    """The next message's changes, and move the place behind them; inside a transaction. None: nothing is left.

    First come changes that were sent before and have no verdict, byte for byte. Then come those that were never
    sent: they get their numbers, and what is sent of them is kept from now on. A transaction is never cut in two; one
    that is larger than a batch makes a batch of its own.
    """
    batch = _Batch(changes_max, bytes_max)
    if _repeat(connection, place, wants, batch):
        _send_first(connection, place, wants, store_epoch, batch)
    return batch.changes


def trace_contexts(connection: sqlite3.Connection, batch: Sequence[upload_pb2.Change]) -> list[str]:
    """The different contexts in which the changes of a message were made, as many as a span links to."""
    rows = connection.execute(
        "SELECT DISTINCT trace_context FROM syncline_change"
        " WHERE change_seq BETWEEN ? AND ? AND trace_context IS NOT NULL LIMIT ?",
        (batch[0].change_seq, batch[-1].change_seq, LINKS_MAX),
    )
    return [text for (text,) in rows]


def anything_to_send(connection: sqlite3.Connection, wants: Wants) -> bool:
    """Does anything wait for upload? It may turn out that all of it is held back."""
    rows = connection.execute("SELECT DISTINCT scope FROM syncline_change WHERE state IN ('pending', 'sent')")
    return any(wants(scope) for (scope,) in rows)


def count_waiting(connection: sqlite3.Connection, wants: Wants) -> int:
    """How many changes wait for upload or for their verdict, held back ones included."""
    rows = connection.execute(
        "SELECT scope, count(*) FROM syncline_change WHERE state IN ('pending', 'sent') GROUP BY scope"
    )
    return sum(count for scope, count in rows if wants(scope))


def last_change_no(connection: sqlite3.Connection) -> int:
    """The number in the log of the change that was made last; 0: none."""
    (last,) = connection.execute("SELECT coalesce(max(change_no), 0) FROM syncline_change").fetchone()
    return int(last)


def give_back_held(connection: sqlite3.Connection) -> list[int]:
    """Let changes wait again that were sent, and depend on one that was rejected since. These (change_no).

    To be called before a stream is opened, inside a transaction. The server cannot have decided them, because it held
    them back behind the rejected one; but it holds on one stream only, so that a new stream would decide them.
    """
    if not _has_state(connection, ChangeState.REJECTED):
        return []
    blocked: set[tuple[str, str]] = set()
    held = []
    for unit in _units(connection, 0, "('rejected', 'sent')"):
        items = {(row["object_type"], row["key"]) for row in unit}
        if any(row["state"] == "rejected" for row in unit) or not blocked.isdisjoint(items):
            blocked |= items
            held += [row["change_no"] for row in unit if row["state"] == "sent"]
    connection.executemany(
        "UPDATE syncline_change SET state = 'pending', change_seq = NULL, sent = NULL WHERE change_no = ?",
        [(number,) for number in held],
    )
    return held


class _Batch:
    """Changes that go up in one message."""

    def __init__(self, changes_max: int, bytes_max: int) -> None:
        self.changes: list[upload_pb2.Change] = []
        self._changes_max = changes_max
        self._bytes_left = bytes_max

    def has_room(self, count: int) -> bool:
        """Would a transaction of so many changes fit, were it small enough?"""
        return not self.changes or len(self.changes) + count <= self._changes_max

    def take(self, unit: list[upload_pb2.Change]) -> bool:
        """Add a transaction, unless it is too much."""
        size = sum(change.ByteSize() + _SEQ_BYTES_MAX + _GROUP_BYTES for change in unit)
        if not self.has_room(len(unit)) or (self.changes and size > self._bytes_left):
            return False
        self._bytes_left -= size
        self.changes += unit
        return True


def _repeat(connection: sqlite3.Connection, place: Place, wants: Wants, batch: _Batch) -> bool:
    """Take what was sent before. False: the batch is full."""
    rows = connection.execute(
        """SELECT change_seq, scope, transaction_no, sent FROM syncline_change
            WHERE state = 'sent' AND change_seq > ? ORDER BY change_seq""",
        (place.change_seq,),
    )
    unit: list[upload_pb2.Change] = []
    unit_no = None
    for _, scope, transaction_no, sent in rows:
        if unit and transaction_no != unit_no:
            if not batch.take(unit):
                return False
            place.change_seq = unit[-1].change_seq
            unit = []
        if wants(scope):
            unit.append(upload_pb2.Change.FromString(sent))
            unit_no = transaction_no
    if unit:
        if not batch.take(unit):
            return False
        place.change_seq = unit[-1].change_seq
    return True


def _send_first(connection: sqlite3.Connection, place: Place, wants: Wants, store_epoch: str, batch: _Batch) -> None:
    """Take what was never sent, and give it numbers."""
    chosen: list[int] = []
    repeated = len(batch.changes)
    for unit in _units(connection, place.change_no, "('pending', 'rejected', 'deferred')"):
        if unit[0]["change_no"] > place.through_no:
            break
        items = {(row["object_type"], row["key"]) for row in unit}
        ready = all(row["state"] == "pending" and wants(row["scope"]) for row in unit)
        if not ready or not place.blocked.isdisjoint(items):
            place.blocked |= items
        elif batch.has_room(len(unit)) and batch.take(_encode(unit, store_epoch)):
            chosen += [row["change_no"] for row in unit]
        else:
            break
        place.change_no = unit[-1]["change_no"]
    if not chosen:
        return
    number = next_change_seq(connection)
    frozen = []
    for seq, (change_no, message) in enumerate(zip(chosen, batch.changes[repeated:], strict=True), start=number):
        message.change_seq = seq
        frozen.append((seq, message.SerializeToString(deterministic=True), change_no))
    connection.executemany(
        "UPDATE syncline_change SET state = 'sent', change_seq = ?, sent = ? WHERE change_no = ?", frozen
    )
    write_facts(connection, next_change_seq=number + len(chosen))
    place.change_seq = number + len(chosen) - 1


def _units(connection: sqlite3.Connection, after_no: int, states: str) -> Iterator[list[sqlite3.Row]]:
    """Changes in these states by local transaction, in the order in which they were made."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    # The plus sign keeps SQLite from going by the index on states, which would sort all of them for every batch.
    rows = cursor.execute(
        f"SELECT * FROM syncline_change WHERE change_no > ? AND +state IN {states} ORDER BY change_no",  # noqa: S608
        (after_no,),
    )
    unit: list[sqlite3.Row] = []
    for row in rows:
        if unit and row["transaction_no"] != unit[0]["transaction_no"]:
            yield unit
            unit = []
        unit.append(row)
    if unit:
        yield unit


def _encode(unit: list[sqlite3.Row], store_epoch: str) -> list[upload_pb2.Change]:
    """The messages of a transaction, but for their numbers."""
    messages = [_message(row, store_epoch) for row in unit]
    if len(messages) > 1:
        for message in messages:
            message.transaction_id = messages[0].change_uuid
            message.group_size = len(messages)
    return messages


def _message(row: sqlite3.Row, store_epoch: str) -> upload_pb2.Change:
    operation = row["operation"]
    message = upload_pb2.Change(
        change_uuid=row["change_uuid"],
        object_type=row["object_type"],
        key=row["key"],
        operation=_OPERATIONS[operation],
        # A revision of another history says nothing.
        base_revision=row["base_revision"] if row["base_epoch"] == store_epoch else 0,
        made_at_us=row["made_at_us"],
    )
    if operation == "insert":
        message.bucket = row["bucket"]
        message.data = row["data"].encode()
    elif operation == "update":
        for name, old, new in json.loads(row["edits"]):
            message.edits.add(name=name, old_value=_bytes(old), new_value=_bytes(new))
    else:
        message.deleted_hash = data_hash(row["deleted_data"].encode())
    return message


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _has_state(connection: sqlite3.Connection, state: ChangeState) -> bool:
    row: Any = connection.execute("SELECT 1 FROM syncline_change WHERE state = ? LIMIT 1", (state.value,)).fetchone()
    return row is not None
