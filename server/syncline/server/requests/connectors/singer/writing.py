"""WRITE: records that changed here, fed to a target."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from syncline.data.schema import FieldType, ObjectType
from syncline.server.requests.connectors.contract import ConnectorError, Job, Outgoing
from syncline.server.requests.connectors.singer.messages import State, parse_message
from syncline.server.requests.connectors.singer.process import Process, Stopped

_STATE_EVERY: Final = 1_000
"""Records between two states: what comes again, at the most, after a failure."""
_KEY: Final = "_syncline_key"
"""The key column of object types that have no key fields."""
_DELETED_AT: Final = "_sdc_deleted_at"
"""The column by which targets know that a row was deleted."""

_TYPES: Final[dict[FieldType, dict[str, Any]]] = {
    FieldType.STRING: {"type": ["string", "null"]},
    FieldType.INTEGER: {"type": ["integer", "null"]},
    FieldType.NUMBER: {"type": ["number", "null"]},
    FieldType.DECIMAL: {"type": ["string", "null"], "format": "singer.decimal"},
    FieldType.BOOLEAN: {"type": ["boolean", "null"]},
    FieldType.DATE: {"type": ["string", "null"], "format": "date"},
    FieldType.TIMESTAMP: {"type": ["string", "null"], "format": "date-time"},
    FieldType.JSON: {},
}


def feed_target(
    target: Path, config: Path, job: Job, records: Iterable[Outgoing], silence_seconds: float
) -> Iterator[int]:
    """Feed the records to the target; yield the revisions up to which it says that it has stored all.

    Raises:
        Stopped: the run is to end.
        ConnectorError: as `Connector.write`.
    """
    kinds = {kind.name: kind for kind in job.schema.object_types}
    told: set[str] = set()
    unstated, revision = 0, 0
    with Process([target, "--config", config], config.parent, takes_input=True) as process:
        for record in records:
            if job.stopped():
                raise Stopped
            kind = kinds.get(record.object_type)
            if kind is None:
                continue  # its object type was dropped since
            if kind.name not in told:
                process.send(_line(_schema(kind)))
                told.add(kind.name)
            process.send(_line(_record(kind, record)))
            revision, unstated = record.revision, unstated + 1
            if unstated == _STATE_EVERY:
                process.send(_state(revision))
                unstated = 0
                yield from _stored(process.waiting_lines(), process.name)
        if unstated:
            process.send(_state(revision))
        process.end_input()
        last = 0
        for stored in _stored(process.lines(job.stopped, silence_seconds), process.name):
            last = stored
            yield stored
        if last < revision:
            raise ConnectorError(f"{process.name} ended without saying that it stored everything", for_good=False)


def _stored(lines: Iterable[bytes], program: str) -> Iterator[int]:
    """The revisions in the states that a target gives back."""
    for line in lines:
        # A target prints the bare value of the state.
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            message = parse_message(line, program)
            value = message.value if isinstance(message, State) else None
        revision = value.get("revision") if isinstance(value, dict) else None
        if isinstance(revision, int):
            yield revision


def _schema(kind: ObjectType) -> dict[str, Any]:
    properties: dict[str, Any] = {field.name: _TYPES[field.type] for field in kind.fields}
    if not kind.primary_key:
        properties[_KEY] = {"type": ["string"]}
    properties[_DELETED_AT] = {"type": ["string", "null"], "format": "date-time"}
    return {
        "type": "SCHEMA",
        "stream": kind.name,
        "schema": {"type": "object", "properties": properties},
        "key_properties": list(kind.primary_key) or [_KEY],
    }


def _record(kind: ObjectType, record: Outgoing) -> dict[str, Any]:
    data: dict[str, Any] = dict(record.data or {})
    if record.data is None:
        data |= _key_fields(kind, record.key)
        data[_DELETED_AT] = datetime.now(UTC).isoformat()
    if not kind.primary_key:
        data[_KEY] = record.key
    return {"type": "RECORD", "stream": kind.name, "record": data}


def _key_fields(kind: ObjectType, key: str) -> dict[str, Any]:
    """The key fields of a record of which only the key is left."""
    if len(kind.primary_key) == 1:
        only = next(field for field in kind.fields if field.name == kind.primary_key[0])
        if only.type is FieldType.STRING:
            return {only.name: key}
    return dict(zip(kind.primary_key, json.loads(key), strict=True)) if kind.primary_key else {}


def _state(revision: int) -> bytes:
    return _line({"type": "STATE", "value": {"revision": revision}})


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
