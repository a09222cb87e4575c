"""What happens at a checkpoint besides storing its page. All of it is part of that page's transaction."""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection

from syncline.data.schema import Schema
from syncline.replica import change_log, overlay
from syncline.replica.facts import write_facts
from syncline.replica.feeds import InScopes
from syncline.replica.refusals import Refusals
from syncline.replica.report import Counts, TypeCounts
from syncline.replica.rows import clear_staged, move_staged, staged_types
from syncline.replica.tables import base_table, loading_types, object_types_in, publish


def reach_checkpoint(
    connection: sqlite3.Connection, schema: Schema, refusals: Refusals, scopes: Collection[str], head_revision: int
) -> Counts:
    """Publish tables, move what is staged, sweep, and note the checkpoint. The positions are written already.

    Local changes are never swept. Those that the checkpoint covers go, and the others are laid over what is new.
    """
    within = InScopes(scopes)
    counts: Counts = {kind.name: TypeCounts() for kind in schema.object_types}
    loading = loading_types(connection, schema)
    for kind in schema.object_types:
        if kind.name in loading and (not scopes or kind.scope in scopes):
            counts[kind.name].inserted -= publish(connection, kind)
    staged = staged_types(connection, within)
    for object_type in staged:
        counts[object_type].add(move_staged(connection, object_type, within))
    swept = _sweep(connection, refusals, within)
    for object_type, number in swept.items():
        counts.setdefault(object_type, TypeCounts()).deleted += number
    write_heads(connection, schema, scopes, head_revision)
    if not change_log.is_empty(connection):
        if any(swept.values()):
            overlay.cover(connection, scopes, head_revision)
        else:
            _cover(connection, staged, within, head_revision)
    clear_staged(connection, within)
    write_facts(connection, checkpoint_revision=head_revision, checkpoint_at_us=time.time_ns() // 1000)
    return {object_type: each for object_type, each in counts.items() if each != TypeCounts()}


def write_heads(connection: sqlite3.Connection, schema: Schema, scopes: Collection[str], head_revision: int) -> bool:
    """Note that a checkpoint covered these scopes, and say whether that is news. To be called inside a transaction."""
    rows = [(scope, head_revision) for scope in scopes or schema.scopes()]
    known = dict(connection.execute("SELECT scope, head_revision FROM syncline_checkpoint"))
    news = [row for row in rows if known.get(row[0]) != row[1]]
    connection.executemany("INSERT OR REPLACE INTO syncline_checkpoint (scope, head_revision) VALUES (?, ?)", news)
    return bool(news)


def has_work(connection: sqlite3.Connection, schema: Schema, scopes: Collection[str]) -> bool:
    """Would `reach_checkpoint` have anything to do, if no position moved?"""
    within = InScopes(scopes)
    loading = loading_types(connection, schema)
    return (
        any(kind.name in loading and (not scopes or kind.scope in scopes) for kind in schema.object_types)
        or bool(staged_types(connection, within))
        or _has_unsettled(connection, within)
    )


def _cover(connection: sqlite3.Connection, staged: Collection[str], within: InScopes, head_revision: int) -> None:
    """Let go of what the checkpoint covers, and lay changes over the rows that it moved.

    Only records with verdicts and those that were staged are looked at: of others that have changes there is no news.
    """
    settled = connection.execute(
        f"SELECT DISTINCT object_type, key FROM syncline_change WHERE state = 'settled' AND {within.sql}",
        within.parameters,
    )
    items: dict[str, dict[str, int]] = {}
    for object_type, key in settled.fetchall():
        items.setdefault(object_type, {})[key] = head_revision
    for object_type in staged:
        moved = connection.execute(
            """SELECT DISTINCT key FROM syncline_staged WHERE object_type = ?
                AND key IN (SELECT key FROM syncline_change WHERE object_type = ?)""",
            (object_type, object_type),
        )
        items.setdefault(object_type, {}).update((key, head_revision) for (key,) in moved.fetchall())
    for object_type, revisions in items.items():
        overlay.cover_items(connection, object_type, list(revisions.items()))


def _sweep(connection: sqlite3.Connection, refusals: Refusals, within: InScopes) -> dict[str, int]:
    """Delete rows whose load is not their feed's: of feeds that are no longer served, and of earlier loads.

    Rows of refused items stay. Those of object types that the schema of a new history has not, go. Tables are only gone
    through if there is a stale load that was not looked at yet.
    """
    if not _has_unsettled(connection, within):
        return {}
    swept = {}
    for object_type in object_types_in(connection):
        swept[object_type] = connection.execute(
            f"""DELETE FROM {base_table(object_type)}
                WHERE _load IN (SELECT load_no FROM syncline_load WHERE {_stale(within)})
                AND _key NOT IN (SELECT value FROM json_each(?))""",
            (*within.parameters, json.dumps(refusals.keys(object_type))),
        ).rowcount
    if refusals:
        connection.execute(f"UPDATE syncline_load SET settled = 1 WHERE {_stale(within)}", within.parameters)
    else:
        connection.execute(f"DELETE FROM syncline_load WHERE {_stale(within)}", within.parameters)
    return swept


def _has_unsettled(connection: sqlite3.Connection, within: InScopes) -> bool:
    row = connection.execute(
        f"SELECT 1 FROM syncline_load WHERE {_stale(within)} AND NOT settled LIMIT 1",
        within.parameters,
    ).fetchone()
    return row is not None


def _stale(within: InScopes) -> str:
    """The condition that a load is not the one that its feed is at."""
    return f"{within.sql} AND load_no NOT IN (SELECT load_no FROM syncline_feed)"
