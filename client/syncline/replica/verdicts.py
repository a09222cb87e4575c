"""Stores the server's verdicts, and lets go of the changes that nothing needs any more."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from syncline.client import AnswerInvalid, rejection_of
from syncline.data.changes import Operation, Verdict
from syncline.data.schema import Schema
from syncline.replica import overlay
from syncline.replica.change_log import read_changes
from syncline.replica.conflicts import VERDICTS, keep_conflicts
from syncline.replica.numbering import note_answered
from syncline.replica.report import RejectedChange
from syncline.replica.roll_back import compensate
from syncline.replica.tables import base_table
from syncline.v1 import upload_pb2

_SETTLED = (Verdict.APPLIED, Verdict.MERGED, Verdict.SERVER_WON)


@dataclass(frozen=True, slots=True)
class Decided:
    """A change with its answer."""

    scope: str
    object_type: str
    verdict: Verdict
    rejected: RejectedChange | None
    taken_back: bool
    """The app had taken it back while it was on its way."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A change that was sent, and what came back."""

    change_no: int
    scope: str
    object_type: str
    key: str
    operation: Operation
    roll_back: bool
    verdict: Verdict
    answer: upload_pb2.ChangeAnswer


def store_answers(
    connection: sqlite3.Connection, schema: Schema, answers: Sequence[upload_pb2.ChangeAnswer]
) -> list[Decided]:
    """Store what the server answered to one message; inside a transaction. What was decided, in order.

    A change that was done is settled: what the app sees stays until the base has caught up with the verdict. A held
    one waits again, without a number. One that the app took back while it was on its way is reversed.

    Raises:
        AnswerInvalid: an answer breaks the contract.
    """
    answered = _match(connection, answers)
    if not answered:
        return []
    note_answered(connection, answers[-1].change_seq)
    _write(connection, answered)
    keep_conflicts(connection, [each.answer.conflict for each in answered if each.answer.HasField("conflict")])
    _refresh(connection, [each for each in answered if each.verdict in (Verdict.MERGED, Verdict.SERVER_WON)])
    take_back(connection, schema, [each.change_no for each in answered if each.roll_back])
    _let_go(connection, [each for each in answered if each.verdict in _SETTLED])
    return [Decided(each.scope, each.object_type, each.verdict, _rejected(each), each.roll_back) for each in answered]


def take_back(connection: sqlite3.Connection, schema: Schema, numbers: Collection[int]) -> None:
    """Reverse those of these changes that the app took back while they were on their way, now that they are not.

    Inside a transaction.
    """
    if numbers:
        chosen = "roll_back AND change_no IN (SELECT value FROM json_each(?))"
        compensate(connection, schema, read_changes(connection, chosen, (json.dumps(list(numbers)),)))


def requeue(connection: sqlite3.Connection) -> int:
    """Let go up again what a new history of the server may lack; inside a transaction. How many changes.

    That is what has no verdict yet, and what the base has not caught up with: under its UUID, in order, transactions
    whole. What was rejected stays so.
    """
    items = connection.execute(
        "SELECT DISTINCT object_type, key FROM syncline_change WHERE state = 'settled'"
    ).fetchall()
    number = connection.execute(
        """UPDATE syncline_change SET state = 'pending', change_seq = NULL, sent = NULL,
            verdict = NULL, verdict_revision = NULL, verdict_data = NULL WHERE state IN ('sent', 'settled')"""
    ).rowcount
    connection.execute("DELETE FROM syncline_checkpoint")
    connection.execute("DELETE FROM syncline_meta WHERE name = 'answered_through'")
    for object_type in {name for name, _ in items}:
        overlay.refresh(connection, object_type, [key for name, key in items if name == object_type])
    return number


def _match(connection: sqlite3.Connection, answers: Sequence[upload_pb2.ChangeAnswer]) -> list[_Answered]:
    """Find the changes by their numbers; what is not there any more is left out."""
    rows = connection.execute(
        """SELECT change_seq, change_no, scope, object_type, key, operation, roll_back FROM syncline_change
            WHERE state = 'sent' AND change_seq IN (SELECT value FROM json_each(?))""",
        (json.dumps([answer.change_seq for answer in answers]),),
    )
    sent = {row[0]: row[1:] for row in rows}
    answered = []
    for answer in answers:
        verdict = VERDICTS.get(answer.verdict)
        if verdict is None:
            raise AnswerInvalid(f"the server answered the change {answer.change_seq} with an unknown verdict")
        if answer.change_seq in sent:
            change_no, scope, object_type, key, operation, roll_back = sent[answer.change_seq]
            answered.append(
                _Answered(change_no, scope, object_type, key, Operation(operation), bool(roll_back), verdict, answer)
            )
    return answered


def _write(connection: sqlite3.Connection, answered: Sequence[_Answered]) -> None:
    settled, rejected, held = [], [], []
    for each in answered:
        if each.verdict is Verdict.HELD:
            held.append((each.change_no,))
        elif each.verdict is Verdict.REJECTED:
            rejected.append((_refusal(each.answer), each.change_no))
        else:
            answer = each.answer
            data = answer.data.decode() if answer.HasField("data") else None
            settled.append((each.verdict.value, answer.revision, data, each.change_no))
    connection.executemany(
        """UPDATE syncline_change SET state = 'settled', sent = NULL, verdict = ?, verdict_revision = ?,
            verdict_data = ? WHERE change_no = ?""",
        settled,
    )
    connection.executemany(
        """UPDATE syncline_change SET state = 'rejected', sent = NULL, verdict = 'rejected', refusal = ?
            WHERE change_no = ?""",
        rejected,
    )
    connection.executemany(
        "UPDATE syncline_change SET state = 'pending', change_seq = NULL, sent = NULL WHERE change_no = ?", held
    )


def _let_go(connection: sqlite3.Connection, settled: Sequence[_Answered]) -> None:
    """Drop what the base covers already: a page or a checkpoint may have come before the verdict."""
    heads = dict(connection.execute("SELECT scope, head_revision FROM syncline_checkpoint"))
    for object_type, keys in _keys(settled).items():
        rows = connection.execute(
            f"SELECT _key, _revision FROM {base_table(object_type)} WHERE _key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        )
        revisions = dict(rows.fetchall())
        reached = {
            each.key: 0
            for each in settled
            if each.object_type == object_type
            and each.answer.revision <= max(revisions.get(each.key, -1), heads.get(each.scope, -1))
        }
        if reached:
            overlay.cover_items(connection, object_type, list(reached.items()))


def _refresh(connection: sqlite3.Connection, answered: Sequence[_Answered]) -> None:
    for object_type, keys in _keys(answered).items():
        overlay.refresh(connection, object_type, keys)


def _keys(answered: Collection[_Answered]) -> dict[str, list[str]]:
    keys: dict[str, dict[str, None]] = {}
    for each in answered:
        keys.setdefault(each.object_type, {})[each.key] = None
    return {object_type: list(each) for object_type, each in keys.items()}


def _refusal(answer: upload_pb2.ChangeAnswer) -> str:
    """Why, as it is kept."""
    rejection = rejection_of(answer.status)
    fields = [violation.field for violation in rejection.field_violations]
    return json.dumps(
        {"reason": rejection.reason, "message": str(rejection), "field": fields[0] if fields else ""},
        ensure_ascii=False,
    )


def _rejected(each: _Answered) -> RejectedChange | None:
    if each.verdict is not Verdict.REJECTED:
        return None
    refusal = json.loads(_refusal(each.answer))
    return RejectedChange(each.scope, each.object_type, each.key, each.operation, **refusal)
