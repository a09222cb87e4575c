"""Empties a device file, or some scopes of it: afterwards it is as it was before their first synchronisation."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from syncline.replica.connection import transaction
from syncline.replica.errors import ReplicaError, UnsentChanges
from syncline.replica.facts import read_facts
from syncline.replica.feeds import InScopes
from syncline.replica.tables import base_table, create_missing, local_table, object_types_in, quote

_FORGOTTEN_FACTS = ("schema", "schema_version", "checkpoint_revision", "checkpoint_at_us", "reconcile_after")
"""What a file does not know any more that was reset as a whole. It stays the device that it is, of its account; numbers
of changes are never used again."""


def reset(connection: sqlite3.Connection, scopes: Collection[str], *, discard_unsent: bool) -> None:
    """Remove all records, positions, refused items and conflicts of these scopes; of all if none are named.

    All of it, or nothing.

    Raises:
        UnsentChanges: local changes would be lost, and `discard_unsent` was not said.
        ReplicaError: there is no such scope.
    """
    with transaction(connection):
        schema = read_facts(connection).schema
        unknown = sorted(set(scopes) - set(schema.scopes()))
        if unknown:
            raise ReplicaError(f"there is no scope {unknown[0]!r} in this file")
        within = InScopes(scopes)
        if not discard_unsent:
            _check_sent(connection, within)
        if scopes:
            _empty(connection, [kind.name for kind in schema.object_types if kind.scope in scopes], within)
            create_missing(connection, schema)
            return
        _empty(connection, object_types_in(connection), within)
        for table in ("syncline_refused", "syncline_conflict"):
            connection.execute(f"DELETE FROM {table}")  # also those of object types that the file has no table of
        connection.execute(
            "DELETE FROM syncline_meta WHERE name IN (SELECT value FROM json_each(?))", (json.dumps(_FORGOTTEN_FACTS),)
        )


def _check_sent(connection: sqlite3.Connection, within: InScopes) -> None:
    """Refuse to lose what the server has no part of, or may have none of."""
    rows = connection.execute(
        f"""SELECT object_type, count(*) FROM syncline_change
            WHERE state IN ('deferred', 'pending', 'sent', 'rejected') AND {within.sql}
            GROUP BY object_type ORDER BY object_type""",
        within.parameters,
    )
    counts = dict(rows.fetchall())
    if counts:
        raise UnsentChanges(counts)


def _empty(connection: sqlite3.Connection, object_types: Collection[str], within: InScopes) -> None:
    connection.execute(f"DELETE FROM syncline_change WHERE {within.sql}", within.parameters)
    connection.execute(
        f"DELETE FROM syncline_staged WHERE load_no IN (SELECT load_no FROM syncline_load WHERE {within.sql})",
        within.parameters,
    )
    for table in ("syncline_load", "syncline_feed", "syncline_checkpoint"):
        connection.execute(f"DELETE FROM {table} WHERE {within.sql}", within.parameters)
    names = json.dumps(list(object_types))
    for table in ("syncline_refused", "syncline_conflict"):
        connection.execute(f"DELETE FROM {table} WHERE object_type IN (SELECT value FROM json_each(?))", (names,))
    for object_type in object_types:
        connection.execute(f"DROP VIEW IF EXISTS {quote(object_type)}")
        connection.execute(f"DROP TABLE IF EXISTS {local_table(object_type)}")
        connection.execute(f"DROP TABLE IF EXISTS {base_table(object_type)}")
