"""What the file says of itself: the rows of `syncline_meta`."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from uuid import UUID

from syncline.data.schema import Schema
from syncline.data.schema_document import from_document, to_document


@dataclass(frozen=True, slots=True)
class Facts:
    """A snapshot of what the file says of itself."""

    device_uuid: UUID
    account: str
    """The account that the file belongs to; empty before the first contact with a server."""
    store_epoch: str
    """The identity of the server's history that the positions belong to; empty before the first contact."""
    schema: Schema
    """Version 0 before the first contact."""
    checkpoint_revision: int | None
    """The account's head at the newest checkpoint; None before the first."""
    checkpoint_at_us: int
    """When the newest checkpoint that moved anything was stored, in microseconds since the Unix epoch; 0: never."""


def read_facts(connection: sqlite3.Connection) -> Facts:
    """All of them, as they stand."""
    rows = dict(connection.execute("SELECT name, value FROM syncline_meta"))
    return Facts(
        device_uuid=UUID(rows["device_uuid"]),
        account=rows.get("account", ""),
        store_epoch=rows.get("store_epoch", ""),
        schema=from_document(json.loads(rows.get("schema", "{}")), version=rows.get("schema_version", 0)),
        checkpoint_revision=rows.get("checkpoint_revision"),
        checkpoint_at_us=rows.get("checkpoint_at_us", 0),
    )


def read_store_epoch(connection: sqlite3.Connection) -> str:
    """`Facts.store_epoch` alone."""
    row = connection.execute("SELECT value FROM syncline_meta WHERE name = 'store_epoch'").fetchone()
    return "" if row is None else str(row[0])


def write_facts(connection: sqlite3.Connection, **values: str | int) -> None:
    """Set facts by the names that they have in `Facts`."""
    connection.executemany("INSERT OR REPLACE INTO syncline_meta (name, value) VALUES (?, ?)", list(values.items()))


def write_schema(connection: sqlite3.Connection, schema: Schema) -> None:
    """Set the schema."""
    write_facts(connection, schema=json.dumps(to_document(schema)), schema_version=schema.version)
