"""What a device file holds, at a glance."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from uuid import UUID

from syncline.replica.facts import read_facts
from syncline.replica.feeds import FeedState, read_feeds
from syncline.replica.refusals import Refusal, read_refusals
from syncline.replica.tables import loading_types, quote


@dataclass(frozen=True, slots=True)
class Status:
    """A device file at one moment."""

    device_uuid: UUID
    account: str
    """Empty before the first contact with a server."""
    schema_version: int
    feeds: tuple[FeedState, ...]
    """How far it has got, by scope and bucket."""
    rows: dict[str, int]
    """How many records readers see, by object type; types that were never at a checkpoint are left out."""
    staged: int
    """Items received that wait for the next checkpoint."""
    checkpoint_revision: int | None
    """The account's head at the newest checkpoint; None before the first."""
    checkpoint_at_us: int
    """When the newest checkpoint that moved anything was stored, in microseconds since the Unix epoch; 0: never."""
    failed: tuple[Refusal, ...]
    """Items that it lacks because it refused them."""


def read_status(connection: sqlite3.Connection) -> Status:
    """Read it, all at one moment. The connection is in autocommit mode."""
    connection.execute("BEGIN")
    try:
        facts = read_facts(connection)
        loading = loading_types(connection, facts.schema)
        published = [kind.name for kind in facts.schema.object_types if kind.name not in loading]
        (staged,) = connection.execute("SELECT count(*) FROM syncline_staged").fetchone()
        return Status(
            device_uuid=facts.device_uuid,
            account=facts.account,
            schema_version=facts.schema.version,
            feeds=tuple(read_feeds(connection)),
            rows={name: _count(connection, name) for name in published},
            staged=staged,
            checkpoint_revision=facts.checkpoint_revision,
            checkpoint_at_us=facts.checkpoint_at_us,
            failed=tuple(read_refusals(connection)),
        )
    finally:
        connection.execute("COMMIT")


def _count(connection: sqlite3.Connection, object_type: str) -> int:
    (rows,) = connection.execute(f"SELECT count(*) FROM {quote(object_type)}").fetchone()
    return int(rows)
