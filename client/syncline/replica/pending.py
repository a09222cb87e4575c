"""Changes that are not on the server yet, as an app looks at them: counts, and each change with its record.

A change is in exactly one list: it waits for upload, or for its verdict, or to be marked for upload (deferred), or it
was rejected. The functions work on any connection to a device file, in one moment of it.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import groupby
from typing import Any
from uuid import UUID

from syncline.data.changes import Edit, Operation
from syncline.data.parsing import parse_value
from syncline.data.schema import ObjectType, Schema
from syncline.replica.change_log import ChangeRefusal, ChangeState, LocalChange, LocalOperation, held_back, read_changes
from syncline.replica.overlay import lay_over, read_base
from syncline.replica.reading import one_moment, schema_of


class PendingState(Enum):
    """What a change waits for."""

    DEFERRED = "deferred"
    """To be marked for upload."""
    PENDING = "pending"
    """To be uploaded."""
    HELD = "held"
    """For an earlier change of its record or transaction, which was rejected or is deferred; then to be uploaded."""
    SENT = "sent"
    """For its verdict."""
    REJECTED = "rejected"
    """To be mended and sent again, or rolled back."""


@dataclass(frozen=True, slots=True)
class PendingInstance:
    """One change."""

    object_type: str
    key: str
    operation: Operation
    data: dict[str, Any] | None
    """The record after the change, over the newest server state known; of a delete: what was deleted. None: the record
    that an update was made to is gone."""
    changes: dict[str, tuple[Any, Any]]
    """An update's fields: the value before, and after. None: the field is absent."""
    state: PendingState
    change_uuid: UUID
    made_at: datetime
    """By this device's clock, in UTC."""
    refusal: ChangeRefusal | None
    """Why it was rejected."""


@dataclass(frozen=True, slots=True)
class ObjectInstances:
    """The changes of one object type."""

    count: int
    data: list[PendingInstance] | None = None
    """In the order in which they were made; None: counts only."""


@dataclass(frozen=True, slots=True)
class ScopeInstances:
    """The changes of one scope."""

    count: int = 0
    objects: dict[str, ObjectInstances] = field(default_factory=dict)
    """By the object type's name within its scope; all of them, also those without a change."""


@dataclass(frozen=True, slots=True)
class PendingInstances:
    """The changes of all scopes."""

    total_count: int
    scopes: dict[str, ScopeInstances]
    """By name; all of them, also those without a change."""


def count_instances(connection: sqlite3.Connection, state: ChangeState) -> PendingInstances:
    """How many changes there are in this state, by scope and object type. No change is loaded."""
    with one_moment(connection):
        rows = connection.execute(
            "SELECT scope, object_type, count(*) FROM syncline_change WHERE state = ? GROUP BY scope, object_type",
            (state.value,),
        ).fetchall()
        schema = schema_of(connection)
    return _arrange(schema, {(scope, name): ObjectInstances(count) for scope, name, count in rows}, loaded=False)


def load_instances(connection: sqlite3.Connection, state: ChangeState) -> PendingInstances:
    """The changes in this state, by scope and object type."""
    with one_moment(connection):
        schema = schema_of(connection)
        found: dict[tuple[str, str], list[PendingInstance]] = {}
        for change, instance in _instances(connection, state, "1", ()):
            found.setdefault((change.scope, change.object_type), []).append(instance)
    return _arrange(schema, {name: ObjectInstances(len(each), each) for name, each in found.items()}, loaded=True)


def list_instances(
    connection: sqlite3.Connection, object_type: str, state: ChangeState, keys: Collection[str] | None = None
) -> list[PendingInstance]:
    """The changes of one object type in this state, of these records or of all, in the order made."""
    where, parameters = "object_type = ?", [object_type]
    if keys is not None:
        where += " AND key IN (SELECT value FROM json_each(?))"
        parameters.append(json.dumps(list(keys)))
    with one_moment(connection):
        return [instance for _, instance in _instances(connection, state, where, parameters)]


def count_states(connection: sqlite3.Connection, object_type: str, key: str) -> Counter[ChangeState]:
    """How many changes of one record are in which state."""
    rows = connection.execute(
        "SELECT state, count(*) FROM syncline_change WHERE object_type = ? AND key = ? GROUP BY state",
        (object_type, key),
    )
    return Counter({ChangeState(state): count for state, count in rows})


def _instances(
    connection: sqlite3.Connection, state: ChangeState, where: str, parameters: Iterable[str]
) -> list[tuple[LocalChange, PendingInstance]]:
    """What a change makes of its record depends on all those before it, so they are read, too."""
    changes = read_changes(
        connection,
        f"(object_type, key) IN (SELECT object_type, key FROM syncline_change WHERE state = ? AND {where})",
        (state.value, *parameters),
    )
    held = held_back(connection) if state is ChangeState.PENDING else set()
    found = [
        (change, _instance(change, data, PendingState.HELD if change.change_no in held else PendingState(state.value)))
        for change, data in _with_data(connection, changes)
        if change.state is state
    ]
    return sorted(found, key=lambda each: each[0].change_no)


def _with_data(
    connection: sqlite3.Connection, changes: list[LocalChange]
) -> Iterator[tuple[LocalChange, dict[str, Any] | None]]:
    """Each change with the record as it leaves it, or as it was deleted."""

    def record(change: LocalChange) -> tuple[str, str]:
        return change.object_type, change.key

    for (object_type, key), of_record in groupby(sorted(changes, key=record), record):
        base = read_base(connection, object_type, key)
        text = None if base is None else base.data
        for change in of_record:
            text = lay_over(text, [change])
            shown = change.deleted_text if change.operation is LocalOperation.DELETE else text
            yield change, None if shown is None else json.loads(shown)


def _instance(change: LocalChange, data: dict[str, Any] | None, state: PendingState) -> PendingInstance:
    return PendingInstance(
        object_type=change.object_type,
        key=change.key,
        operation=Operation(change.operation.value),
        data=data,
        changes={edit.name: _values(edit) for edit in change.edits},
        state=state,
        change_uuid=UUID(bytes=change.change_uuid),
        made_at=datetime.fromtimestamp(change.made_at_us / 1_000_000, UTC),
        refusal=change.refusal,
    )


def _values(edit: Edit) -> tuple[Any, Any]:
    old, new = (None if text is None else parse_value(text.encode()) for text in (edit.old, edit.new))
    return old, new


def _arrange(schema: Schema, found: dict[tuple[str, str], ObjectInstances], *, loaded: bool) -> PendingInstances:
    """By scope and name, everything that the schema has, and what it had when a change was made."""
    kinds = {(kind.scope, kind.name): kind for kind in schema.object_types}
    scopes: dict[str, dict[str, ObjectInstances]] = {}
    for name in sorted({*kinds, *found}):
        in_scope = scopes.setdefault(name[0], {})
        none = ObjectInstances(0, [] if loaded else None)
        in_scope[_name_in_scope(kinds.get(name), name[1], schema)] = found.get(name, none)
    return PendingInstances(
        sum(each.count for each in found.values()),
        {
            scope: ScopeInstances(sum(each.count for each in objects.values()), objects)
            for scope, objects in scopes.items()
        },
    )


def _name_in_scope(kind: ObjectType | None, name: str, schema: Schema) -> str:
    """The local name, unless another type of the scope is called so."""
    if kind is None:
        return name
    twins = [each for each in schema.object_types if (each.scope, each.local_name) == (kind.scope, kind.local_name)]
    return kind.local_name if len(twins) == 1 else name
