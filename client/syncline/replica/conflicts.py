"""The conflicts that this device's changes had, as the server told with their verdicts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from syncline.data.changes import Operation, Verdict
from syncline.data.schema import ConflictPolicy
from syncline.v1 import schema_pb2, upload_pb2

CONFLICTS_MAX = 10_000
"""So many are kept, the newest; the server's log has all."""

_COLUMNS = """change_uuid, conflict_id, object_type, key, operation, policy, verdict, fields,
    device_data, server_data, result_data, revision, decided_at_us"""

_POLICIES = {
    schema_pb2.CONFLICT_POLICY_MERGE_FIELDS: ConflictPolicy.MERGE_FIELDS,
    schema_pb2.CONFLICT_POLICY_CLIENT_WINS: ConflictPolicy.CLIENT_WINS,
    schema_pb2.CONFLICT_POLICY_SERVER_WINS: ConflictPolicy.SERVER_WINS,
    schema_pb2.CONFLICT_POLICY_REJECT: ConflictPolicy.REJECT,
    schema_pb2.CONFLICT_POLICY_RESOLVER: ConflictPolicy.RESOLVER,
}
_OPERATIONS = {
    upload_pb2.OPERATION_INSERT: Operation.INSERT,
    upload_pb2.OPERATION_UPDATE: Operation.UPDATE,
    upload_pb2.OPERATION_DELETE: Operation.DELETE,
}
VERDICTS = {
    upload_pb2.VERDICT_APPLIED: Verdict.APPLIED,
    upload_pb2.VERDICT_MERGED: Verdict.MERGED,
    upload_pb2.VERDICT_SERVER_WON: Verdict.SERVER_WON,
    upload_pb2.VERDICT_REJECTED: Verdict.REJECTED,
    upload_pb2.VERDICT_HELD: Verdict.HELD,
}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sides changed one record, and a rule brought them together."""

    change_uuid: UUID
    conflict_id: int
    """Counts the conflicts of the account upwards, with gaps."""
    object_type: str
    key: str
    operation: Operation
    """What the change wanted to do."""
    policy: ConflictPolicy
    """The rule that decided."""
    verdict: Verdict
    fields: tuple[str, ...]
    """The fields in which the sides differ; empty if one side deleted the record."""
    device_data: dict[str, Any] | None
    """The device's version: a record, or the new values of an update (None: the field goes). None: a delete."""
    server_data: dict[str, Any] | None
    """The server's version before the decision; None: deleted."""
    result_data: dict[str, Any] | None
    """The record after the decision; None: deleted."""
    revision: int
    """The record's revision after the decision."""
    decided_at_us: int
    """When it was decided, in microseconds since the Unix epoch."""


def keep_conflicts(connection: sqlite3.Connection, told: Iterable[upload_pb2.Conflict]) -> None:
    """Note these; inside a transaction. One that is told again replaces itself."""
    rows = [
        (
            conflict.change_uuid,
            conflict.conflict_id,
            conflict.object_type,
            conflict.key,
            _OPERATIONS[conflict.operation].value,
            _POLICIES.get(conflict.policy, ConflictPolicy.MERGE_FIELDS).value,
            VERDICTS[conflict.verdict].value,
            json.dumps(list(conflict.fields), ensure_ascii=False),
            _text(conflict, "device_data"),
            _text(conflict, "server_data"),
            _text(conflict, "result_data"),
            conflict.revision,
            conflict.decide_time.ToMicroseconds(),
        )
        for conflict in told
    ]
    if not rows:
        return
    connection.executemany(
        f"INSERT OR REPLACE INTO syncline_conflict ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        rows,
    )
    connection.execute(
        """DELETE FROM syncline_conflict WHERE change_uuid IN (
            SELECT change_uuid FROM syncline_conflict ORDER BY conflict_id DESC LIMIT -1 OFFSET ?)""",
        (CONFLICTS_MAX,),
    )


def read_conflicts(connection: sqlite3.Connection) -> list[Conflict]:
    """What is kept, the newest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM syncline_conflict ORDER BY conflict_id DESC")  # noqa: S608
    return [
        Conflict(
            change_uuid=UUID(bytes=row[0]),
            conflict_id=row[1],
            object_type=row[2],
            key=row[3],
            operation=Operation(row[4]),
            policy=ConflictPolicy(row[5]),
            verdict=Verdict(row[6]),
            fields=tuple(json.loads(row[7])),
            device_data=_parsed(row[8]),
            server_data=_parsed(row[9]),
            result_data=_parsed(row[10]),
            revision=row[11],
            decided_at_us=row[12],
        )
        for row in rows
    ]


def _parsed(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value: dict[str, Any] = json.loads(text)
    return value


def _text(conflict: upload_pb2.Conflict, field: Literal["device_data", "server_data", "result_data"]) -> str | None:
    """Data of a conflict; None if it is not set."""
    if not conflict.HasField(field):
        return None
    value: bytes = getattr(conflict, field)
    return value.decode()
