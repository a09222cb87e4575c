"""The numbers of changes: given when a change is sent, never twice, and given up when the server says so.

Every function is to be called inside a transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from syncline.replica.facts import write_facts
from syncline.v1 import upload_pb2


def next_change_seq(connection: sqlite3.Connection) -> int:
    """The number that the next change to be sent gets."""
    return _number(connection, "next_change_seq", 1)


def settled_through(connection: sqlite3.Connection) -> int:
    """Up to which number the device needs no verdict any more.

    Numbers that were given and never reached the server say nothing to it: it would take a device that tells them for
    one that it has forgotten. So nothing beyond the last number that it has answered is told.
    """
    row = connection.execute("SELECT min(change_seq) FROM syncline_change WHERE state = 'sent'").fetchone()
    own = (next_change_seq(connection) if row[0] is None else row[0]) - 1
    return min(own, answered_through(connection))


def note_answered(connection: sqlite3.Connection, change_seq: int) -> None:
    """The server has answered a change of this number."""
    if change_seq > answered_through(connection):
        write_facts(connection, answered_through=change_seq)


def answered_through(connection: sqlite3.Connection) -> int:
    """The last number that the server has answered; 0: none, or it has forgotten the device since."""
    return _number(connection, "answered_through", 0)


def go_on_from(connection: sqlite3.Connection, told_next: int, answered_before: int) -> list[int]:
    """Take over the number that the server told with a session. The changes (change_no) that are rejected by that.

    A file that was put back from a copy goes on from there. A server that has forgotten the device counts from below
    what it had answered: what was sent may have been done, and nobody can tell, so it is left to the application.
    `answered_before` is what it had answered when the session was asked for: an upload may go on beside.
    """
    if told_next <= min(answered_before, answered_through(connection)):
        return refuse_stale(connection)
    if told_next > next_change_seq(connection):
        write_facts(connection, next_change_seq=told_next)
    return []


def refuse_stale(connection: sqlite3.Connection) -> list[int]:
    """The server has forgotten the device: what has no verdict is rejected. Those changes (change_no)."""
    write_facts(connection, answered_through=0)
    return _reject(connection, "1", (), "STALE_DEVICE", "the server has forgotten this device, and may have done this")


def refuse_settled(
    connection: sqlite3.Connection, first_seq: int, last_seq: int, was_sent: Callable[[str], bool]
) -> list[int]:
    """The server does not know the verdicts of these changes any more: they are rejected, with their transactions.

    Those changes (change_no). Changes of scopes that were not sent are not meant, though they have numbers between.
    """
    rows = connection.execute(
        "SELECT DISTINCT transaction_no, scope FROM syncline_change"
        " WHERE state = 'sent' AND change_seq BETWEEN ? AND ?",
        (first_seq, last_seq),
    )
    return _reject(
        connection,
        "transaction_no IN (SELECT value FROM json_each(?))",
        (json.dumps([transaction_no for transaction_no, scope in rows if was_sent(scope)]),),
        "SEQ_SETTLED",
        "the server had decided this, and does not know any more how",
    )


def renumber(connection: sqlite3.Connection, from_seq: int, next_seq: int) -> int:
    """Give this change and all later ones without a verdict new numbers, in their order. How many.

    They keep their UUIDs, by which the server knows them should it have decided them.
    """
    number = max(next_seq, next_change_seq(connection))
    rows = connection.execute(
        "SELECT change_no, sent FROM syncline_change WHERE state = 'sent' AND change_seq >= ? ORDER BY change_seq",
        (from_seq,),
    ).fetchall()
    anew = []
    for seq, (change_no, sent) in enumerate(rows, start=number):
        message = upload_pb2.Change.FromString(sent)
        message.change_seq = seq
        anew.append((seq, message.SerializeToString(deterministic=True), change_no))
    connection.executemany("UPDATE syncline_change SET change_seq = ?, sent = ? WHERE change_no = ?", anew)
    write_facts(connection, next_change_seq=number + len(rows))
    return len(rows)


def _reject(
    connection: sqlite3.Connection, which: str, parameters: tuple[str, ...], reason: str, message: str
) -> list[int]:
    refusal = json.dumps({"reason": reason, "message": message, "field": ""})
    rows = connection.execute(
        f"""UPDATE syncline_change SET state = 'rejected', verdict = 'rejected', sent = NULL, refusal = ?
            WHERE state = 'sent' AND {which} RETURNING change_no""",  # noqa: S608
        (refusal, *parameters),
    )
    return [change_no for (change_no,) in rows]


def _number(connection: sqlite3.Connection, name: str, default: int) -> int:
    row = connection.execute("SELECT value FROM syncline_meta WHERE name = ?", (name,)).fetchone()
    return default if row is None else int(row[0])
