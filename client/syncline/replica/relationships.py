"""Which records refer to which, in the main view."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from syncline.data.canonical import canonical_array
from syncline.data.schema import FieldType, ObjectType, Relationship, Schema
from syncline.replica.overlay import ViewRow, read_row
from syncline.replica.tables import base_table, is_published, local_table, quote


class Children(NamedTuple):
    """The records that refer to one record through one relationship."""

    kind: ObjectType
    """The object type that holds the relationship."""
    relationship: Relationship
    keys: list[str]


def parent_key(schema: Schema, relationship: Relationship, record: Mapping[str, Any]) -> str | None:
    """The key of the record that a record refers to; None: it refers to none."""
    values = [record.get(name) for name in relationship.fields]
    if None in values:
        return None
    parent = schema.object_type(relationship.parent)
    if parent is not None and _is_one_text(parent):
        return str(values[0])
    return canonical_array([value if isinstance(value, str | bool) else int(value) for value in values])  # type: ignore[arg-type]


def parent_of(
    connection: sqlite3.Connection, schema: Schema, relationship: Relationship, record: Mapping[str, Any]
) -> ViewRow | None:
    """The record that a record refers to; None: it refers to none, or there is none."""
    key = parent_key(schema, relationship, record)
    if key is None or not is_published(connection, relationship.parent):
        return None
    return read_row(connection, relationship.parent, key)


def children_of(connection: sqlite3.Connection, schema: Schema, kind: ObjectType, key: str) -> list[Children]:
    """The records that refer to this one, by relationship; those without any are left out."""
    found = (
        Children(child, relationship, child_keys(connection, kind, key, child, relationship))
        for child in schema.object_types
        for relationship in child.relationships
        if relationship.parent == kind.name
    )
    return [children for children in found if children.keys]


def child_keys(
    connection: sqlite3.Connection, parent: ObjectType, key: str, child: ObjectType, relationship: Relationship
) -> list[str]:
    """The keys of the records that refer to this one through one relationship, sorted."""
    if not is_published(connection, child.name):
        return []
    values = key_values(parent, key)
    refers = " AND ".join(f"{quote(name)} = ?" for name in relationship.fields)
    local = local_table(child.name)
    rows = connection.execute(
        f"""SELECT _key FROM {base_table(child.name)} WHERE {refers} AND _key NOT IN (SELECT _key FROM {local})
            UNION ALL SELECT _key FROM {local} WHERE {refers} AND _data IS NOT NULL ORDER BY 1""",
        (*values, *values),
    )
    return [found for (found,) in rows]


def index_children(connection: sqlite3.Connection, child: ObjectType, relationship: Relationship) -> None:
    """Let `child_keys` find the children without reading all records. To be called inside a transaction.

    An app that deletes no parents has no use for such an index, and a first sync no time to make it, so the first
    local delete of a parent does.
    """
    if not is_published(connection, child.name):
        return
    columns = ", ".join(map(quote, relationship.fields))
    for table, side in ((base_table(child.name), "base"), (local_table(child.name), "local")):
        index = quote(f"syncline_children_{side}_{child.name}:{relationship.name}")
        connection.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({columns})")


def key_values(kind: ObjectType, key: str) -> Sequence[Any]:
    """The values of the key fields that make this key."""
    if _is_one_text(kind):
        return (key,)
    values: list[Any] = json.loads(key)
    return values


def _is_one_text(kind: ObjectType) -> bool:
    if len(kind.primary_key) != 1:
        return False
    return next(field.type for field in kind.fields if field.name == kind.primary_key[0]) is FieldType.STRING
