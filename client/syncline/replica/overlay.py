"""What local changes make of the base: the rows of `syncline_local_<type>`, which views show in place of the base's.

The overlay of a type holds exactly the records that have changes in the log. It is computed from the base row and the
changes, never from an older overlay, in the transaction that touches either of them. So a record from which a change
goes shows the newest server state known, with what is left of its changes.

All functions are to be called inside the caller's transaction, for object types that are published.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from syncline.data.canonical import canonical_bytes, canonical_text
from syncline.data.changes import Verdict, apply_edits
from syncline.data.errors import DataError
from syncline.data.schema import Schema
from syncline.replica.change_log import ChangeState, LocalChange, LocalOperation, changes_of, delete_changes, is_empty
from syncline.replica.feeds import InScopes
from syncline.replica.tables import base_table, has_overlay, loading_types, local_table, remake_view

STATEMENTS_MAX = 1_000
"""How many statements of one kind are kept: one for each object type that is used."""

_REPLACED = (Verdict.MERGED, Verdict.SERVER_WON)
"""Verdicts that come with the record as it stands."""


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A record as the app sees it."""

    key: str
    bucket: str
    revision: int
    """The base's; 0: the server has no such record, as far as the device knows."""
    data: str
    """Canonical JSON text."""

    @property
    def record(self) -> dict[str, Any]:
        """The data as Python values; read anew each time."""
        value: dict[str, Any] = json.loads(self.data)
        return value


@dataclass(frozen=True, slots=True)
class BaseRow:
    """A record in its newest server state known."""

    bucket: str
    revision: int
    store_epoch: str
    """The server's history that the revision belongs to; empty: not known any more."""
    data: str


@dataclass(frozen=True, slots=True)
class Sight:
    """A record from all sides."""

    base: BaseRow | None
    row: ViewRow | None
    """In the main view."""
    deferred: bool
    """It has deferred changes."""


def lay_over(base: str | None, changes: Iterable[LocalChange]) -> str | None:
    """What the app is to see of a record: its base with its changes, in the order made, over it. None: no record."""
    text = base
    for change in changes:
        if change.state is ChangeState.SETTLED and change.verdict in _REPLACED:
            text = change.verdict_text
        elif change.operation is LocalOperation.INSERT:
            text = change.data_text
        elif change.operation is LocalOperation.UPDATE:
            text = None if text is None else canonical(apply_edits(json.loads(text), change.edits))
        else:
            text = None
    return text


def canonical(record: dict[str, Any]) -> str:
    """The canonical form, also of a record that is too large: others may have added to what an edit adds to."""
    try:
        return canonical_bytes(record).decode()
    except DataError:
        members = (f"{canonical_text(name)}:{canonical_text(record[name], name)}" for name in sorted(record))
        return f"{{{','.join(members)}}}"


def look(connection: sqlite3.Connection, object_type: str, key: str) -> Sight:
    """Everything about one record that a local write has to know, by one statement."""
    row = connection.execute(_look_statement(object_type), (key, object_type)).fetchone()
    bucket, revision, epoch, data, local_bucket, local_revision, local_data, is_local, deferred = row
    base = None if data is None else BaseRow(bucket, revision, epoch, data)
    seen: ViewRow | None = None
    if is_local:
        if local_data is not None:
            seen = ViewRow(key, local_bucket, local_revision, local_data)
    elif base is not None:
        seen = ViewRow(key, bucket, revision, data)
    return Sight(base, seen, bool(deferred))


def read_row(connection: sqlite3.Connection, object_type: str, key: str) -> ViewRow | None:
    """One record of the main view; None: it is not there."""
    row = connection.execute(_row_statement(object_type), (key,)).fetchone()
    return None if row is None or row[2] is None else ViewRow(key, *row)


def read_base(connection: sqlite3.Connection, object_type: str, key: str) -> BaseRow | None:
    """One record of the base; None: it is not there."""
    row = connection.execute(_base_statement(object_type), (key,)).fetchone()
    return None if row is None else BaseRow(*row)


def show(
    connection: sqlite3.Connection, object_type: str, key: str, bucket: str, revision: int, data: str | None
) -> None:
    """Let the view show this of a record in place of its base. For records of which a change was just added."""
    was_empty = not has_overlay(connection, object_type)
    connection.execute(_show_statement(object_type), (key, bucket, revision, data))
    if was_empty:
        remake_view(connection, object_type)


def refresh(connection: sqlite3.Connection, object_type: str, keys: Iterable[str]) -> None:
    """Compute the overlay of these records anew, after their base rows or their changes have changed."""
    local = local_table(object_type)
    for key in dict.fromkeys(keys):
        changes = changes_of(connection, object_type, key)
        if not changes:
            if connection.execute(f"DELETE FROM {local} WHERE _key = ?", (key,)).rowcount:
                _remake_if_empty(connection, object_type)
            continue
        base = read_base(connection, object_type, key)
        data = lay_over(base.data if base is not None else None, changes)
        show(connection, object_type, key, _bucket(base, changes), base.revision if base is not None else 0, data)


def refresh_scopes(connection: sqlite3.Connection, schema: Schema, scopes: Collection[str]) -> None:
    """Compute the overlay of all published types of these scopes anew; no scopes mean all."""
    loading = loading_types(connection, schema)
    for kind in schema.object_types:
        if kind.name in loading or (scopes and kind.scope not in scopes):
            continue
        rows = connection.execute(
            f"SELECT _key FROM {local_table(kind.name)}"
            " UNION SELECT key FROM syncline_change WHERE object_type = ? ORDER BY 1",
            (kind.name,),
        ).fetchall()
        refresh(connection, kind.name, (key for (key,) in rows))


def cover(connection: sqlite3.Connection, scopes: Collection[str], head_revision: int) -> int:
    """Let go of what a checkpoint of these scopes at `head_revision` covers; no scopes mean all. How many changes.

    To be called when the base rows of the checkpoint are in place. The records of the scopes that have changes are
    computed anew, whether a change of them goes or not.
    """
    if is_empty(connection):
        return 0
    within = InScopes(scopes)
    records = connection.execute(
        f"SELECT DISTINCT object_type, key FROM syncline_change WHERE {within.sql}", within.parameters
    ).fetchall()
    by_type: dict[str, list[tuple[str, int]]] = {}
    for object_type, key in records:
        by_type.setdefault(object_type, []).append((key, head_revision))
    return sum(_cover(connection, object_type, items) for object_type, items in by_type.items())


def cover_items(connection: sqlite3.Connection, object_type: str, items: Sequence[tuple[str, int]]) -> int:
    """Let go of what these items cover: records that were just put or deleted, with their revisions. How many changes.

    The overlay of those that have changes is computed anew. An item of revision 0 says nothing new: its changes are
    held against the base row and the scope's newest checkpoint only, as after a verdict.
    """
    if is_empty(connection):
        return 0
    rows = connection.execute(
        "SELECT DISTINCT key FROM syncline_change WHERE object_type = ? AND key IN (SELECT value FROM json_each(?))",
        (object_type, json.dumps([key for key, _ in items])),
    )
    changed = {key for (key,) in rows}
    newest: dict[str, int] = {}
    for key, revision in items:
        if key in changed:
            newest[key] = max(revision, newest.get(key, 0))
    return _cover(connection, object_type, list(newest.items()))


def _cover(connection: sqlite3.Connection, object_type: str, items: Sequence[tuple[str, int]]) -> int:
    (epoch,) = connection.execute(
        "SELECT coalesce((SELECT value FROM syncline_meta WHERE name = 'store_epoch'), '')"
    ).fetchone()
    heads = dict(connection.execute("SELECT scope, head_revision FROM syncline_checkpoint"))
    gone: list[int] = []
    for key, revision in items:
        base = read_base(connection, object_type, key)
        reached = max(revision, base.revision if base is not None and base.store_epoch == epoch else 0)
        hidden: list[int] = []
        for change in changes_of(connection, object_type, key):
            if _is_covered(change, base, max(reached, heads.get(change.scope, 0))):
                gone += [*hidden, change.change_no]
                hidden = []
            elif change.state is ChangeState.HIDDEN:
                hidden.append(change.change_no)  # it goes with what was made of the record later
            else:
                break  # those after it are laid over what it makes of the base
    if gone:
        delete_changes(connection, gone)
    refresh(connection, object_type, (key for key, _ in items))
    return len(gone)


def _is_covered(change: LocalChange, base: BaseRow | None, reached: int) -> bool:
    """Does the base show what came of a change, with everything that the server did up to `reached` in it?"""
    if change.state is ChangeState.HIDDEN:
        # The server has a newer state of the record, or none: there is nothing left to hide.
        return base is None or (base.store_epoch, base.revision) != (change.base_epoch, change.base_revision)
    if change.state is not ChangeState.SETTLED or change.verdict_revision is None:
        return False
    # What waits to be reversed stays until it is.
    return not change.roll_back and change.verdict_revision <= reached


def _bucket(base: BaseRow | None, changes: Sequence[LocalChange]) -> str:
    """The bucket that a record is in: the one that it is to be created in, if it is, or else the base's."""
    created = next((change for change in reversed(changes) if change.operation is LocalOperation.INSERT), None)
    if created is not None and (base is None or created.state is not ChangeState.SETTLED):
        return created.bucket
    return base.bucket if base is not None else ""


def _remake_if_empty(connection: sqlite3.Connection, object_type: str) -> None:
    if not has_overlay(connection, object_type):
        remake_view(connection, object_type)


@lru_cache(STATEMENTS_MAX)
def _look_statement(object_type: str) -> str:
    return f"""SELECT base._bucket, base._revision, coalesce(store_epoch, ''), base._data,
            over._bucket, over._revision, over._data, over._key IS NOT NULL, EXISTS (
                SELECT 1 FROM syncline_change WHERE object_type = ?2 AND key = ?1 AND state = 'deferred')
        FROM (SELECT 1) LEFT JOIN {base_table(object_type)} AS base ON base._key = ?1
            LEFT JOIN syncline_load ON load_no = base._load
            LEFT JOIN {local_table(object_type)} AS over ON over._key = ?1"""


@lru_cache(STATEMENTS_MAX)
def _row_statement(object_type: str) -> str:
    return f"""SELECT _bucket, _revision, _data FROM {local_table(object_type)} WHERE _key = ?1
        UNION ALL SELECT _bucket, _revision, _data FROM {base_table(object_type)} WHERE _key = ?1
            AND NOT EXISTS (SELECT 1 FROM {local_table(object_type)} WHERE _key = ?1)"""


@lru_cache(STATEMENTS_MAX)
def _base_statement(object_type: str) -> str:
    return f"""SELECT _bucket, _revision, coalesce(store_epoch, ''), _data FROM {base_table(object_type)}
        LEFT JOIN syncline_load ON load_no = _load WHERE _key = ?"""


@lru_cache(STATEMENTS_MAX)
def _show_statement(object_type: str) -> str:
    return f"""INSERT INTO {local_table(object_type)} (_key, _bucket, _revision, _data) VALUES (?, ?, ?, ?)
        ON CONFLICT (_key) DO UPDATE SET
            _bucket = excluded._bucket, _revision = excluded._revision, _data = excluded._data"""
