"""What an app reads of one object type, on any connection: records as it sees them, and those that belong to them."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from syncline.data.schema import ObjectType, Relationship, Schema
from syncline.replica.change_log import ChangeState
from syncline.replica.errors import NotSynchronised, RecordNotFound, UnknownRelationship
from syncline.replica.overlay import read_row
from syncline.replica.relationships import child_keys, parent_of
from syncline.replica.tables import base_table, is_published, literal, local_table, quote, shown_fields
from syncline.replica.validation import known_type
from syncline.replica.where import Parameters, condition, ordering, run

_UNDECIDED = ", ".join(
    literal(state.value)
    for state in (ChangeState.DEFERRED, ChangeState.PENDING, ChangeState.SENT, ChangeState.REJECTED)
)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the app sees it."""

    key: str
    bucket: str
    revision: int
    """Of the newest server state known; 0: the server has no such record, as far as the device knows."""
    data: dict[str, Any]
    """Python values as JSON has them; absent fields are left out."""
    pending: bool
    """It shows local changes that the server has not decided, or has rejected."""


class Selection(NamedTuple):
    """Which records, in which order."""

    where: str = ""
    parameters: Parameters = ()
    order_by: Sequence[str] = ()
    limit: int | None = None
    offset: int = 0


def published(connection: sqlite3.Connection, schema: Schema, name: str) -> ObjectType:
    """The object type of this name, ready to be read and written.

    Raises:
        UnknownObjectType: the schema has no such type.
        NotSynchronised: the schema is not known yet, or the type was never at a checkpoint.
    """
    kind = known_type(schema, name)
    if not is_published(connection, name):
        raise NotSynchronised(name, "", "", "it has not been at a checkpoint on this device yet: synchronise first")
    return kind


def read_records(connection: sqlite3.Connection, kind: ObjectType, selection: Selection) -> list[Record]:
    """The records chosen.

    Raises:
        WhereInvalid: the selection makes no sense.
    """
    # Names of ours in reach of the condition begin with syncline, as no name of a type does.
    view = quote(kind.name)
    data = [
        f"(SELECT syncline_row._data FROM {table} AS syncline_row WHERE syncline_row._key = {view}._key)"
        for table in (local_table(kind.name), base_table(kind.name))
    ]
    sql = f"""SELECT _key, _bucket, _revision, coalesce({", ".join(data)}), {_is_pending(kind, f"{view}._key")}
        FROM {view} {_chosen(kind, selection)}"""
    rows = run(connection, kind, sql, selection.parameters)
    return [_record(*row) for row in rows]


def read_record(connection: sqlite3.Connection, kind: ObjectType, key: str) -> Record | None:
    """One record; None: there is none."""
    row = read_row(connection, kind.name, key)
    if row is None:
        return None
    (pending,) = connection.execute(f"SELECT {_is_pending(kind, '?')}", (key,)).fetchone()
    return _record(row.key, row.bucket, row.revision, row.data, pending)


def read_keys(connection: sqlite3.Connection, kind: ObjectType, where: str, parameters: Parameters) -> list[str]:
    """The keys of the records of which the condition holds.

    Raises:
        WhereInvalid: the condition makes no sense.
    """
    chosen = _chosen(kind, Selection(where))
    return [str(key) for (key,) in run(connection, kind, f"SELECT _key FROM {quote(kind.name)} {chosen}", parameters)]


def count_records(connection: sqlite3.Connection, kind: ObjectType, where: str, parameters: Parameters) -> int:
    """How many records there are of which the condition holds.

    Raises:
        WhereInvalid: the condition makes no sense.
    """
    chosen = _chosen(kind, Selection(where))
    (row,) = run(connection, kind, f"SELECT count(*) FROM {quote(kind.name)} {chosen}", parameters)
    count: int = row[0]
    return count


def changed_keys(
    connection: sqlite3.Connection, kind: ObjectType, where: str, parameters: Parameters
) -> list[str] | None:
    """The keys of records with local changes of which the condition holds; None: of all.

    The condition is about the record as the app sees it, and about what was deleted if it is no more.

    Raises:
        WhereInvalid: the condition makes no sense.
    """
    if not where.strip():
        return None
    view, name, fields = quote(kind.name), literal(kind.name), ", ".join(shown_fields(kind))
    present = f"""SELECT _key FROM {view}
        WHERE _key IN (SELECT key FROM syncline_change WHERE object_type = {name}) AND {condition(where)}"""
    deleted = f"""SELECT _key FROM (SELECT _key, _bucket, _revision, {fields} FROM (
            SELECT key AS _key, bucket AS _bucket, base_revision AS _revision, deleted_data AS _data
            FROM syncline_change AS change
            WHERE object_type = {name} AND operation = 'delete' AND key NOT IN (SELECT _key FROM {view})
                AND NOT EXISTS (SELECT 1 FROM syncline_change AS later
                    WHERE later.object_type = {name} AND later.key = change.key AND later.operation = 'delete'
                        AND later.change_no > change.change_no)
        )) AS {view} WHERE {condition(where)}"""
    return [str(key) for sql in (present, deleted) for (key,) in run(connection, kind, sql, parameters)]


def related_keys(
    connection: sqlite3.Connection, schema: Schema, kind: ObjectType, key: str, relationship: str
) -> tuple[ObjectType, list[str]]:
    """The records that belong to one by a relationship, in either direction: their type, and their keys, sorted.

    Raises:
        UnknownRelationship: no relationship goes by this name, or several do.
        RecordNotFound: there is no record with this key.
    """
    child, found = _find_relationship(schema, kind, relationship)
    row = read_row(connection, kind.name, key)
    if row is None:
        raise RecordNotFound(kind.name, key, "", "there is no such record")
    if child is not None:
        return child, child_keys(connection, kind, key, child, found)
    parent = published(connection, schema, found.parent)
    parent_row = parent_of(connection, schema, found, row.record)
    return parent, [] if parent_row is None else [parent_row.key]


def _find_relationship(schema: Schema, kind: ObjectType, name: str) -> tuple[ObjectType | None, Relationship]:
    """The relationship of this name, and the type that holds it unless it is the given one."""
    own = {each.name: each for each in kind.relationships}
    if name in own:
        return None, own[name]
    children = [
        (child, each) for child in schema.object_types for each in child.relationships if each.parent == kind.name
    ]
    found = [
        (child, each)
        for child, each in children
        if name in (f"{child.name}.{each.name}", f"{child.local_name}.{each.name}")
    ] or [(child, each) for child, each in children if name in (child.name, child.local_name)]
    if len(found) == 1:
        return found[0]
    names = [*own, *(f"{child.name}.{each.name}" for child, each in found or children)]
    problem = "is the name of several relationships" if found else "is no relationship"
    raise UnknownRelationship(f"{name!r} {problem} of {kind.name}; there are: {', '.join(names) or 'none'}")


def read_by_keys(connection: sqlite3.Connection, kind: ObjectType, keys: Iterable[str]) -> list[Record]:
    """The records with these keys, in order of their keys."""
    return read_records(
        connection,
        kind,
        Selection("_key IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),), ("_key",)),
    )


def _chosen(kind: ObjectType, selection: Selection) -> str:
    """The end of a SELECT on the view."""
    end = ordering(kind, selection.order_by, selection.limit, selection.offset)
    return f"WHERE {condition(selection.where)}{end}"


def _is_pending(kind: ObjectType, key: str) -> str:
    return f"""EXISTS (SELECT 1 FROM syncline_change AS syncline_log
        WHERE syncline_log.object_type = {literal(kind.name)} AND syncline_log.key = {key}
            AND syncline_log.state IN ({_UNDECIDED}))"""


def _record(key: Any, bucket: Any, revision: Any, data: Any, pending: Any) -> Record:
    return Record(key, bucket, revision, json.loads(data), bool(pending))
