"""Statements that write rows: into base tables, and into the stage before them.

One rule decides everywhere: a record replaces a row of the same or a lower revision, a delete removes a row of a lower
one, and a row of another history of the server counts as lower than anything. So rows may come in any order, and twice.
"""

# ruff: noqa: S608 - names are quoted, values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from syncline.replica.feeds import InScopes
from syncline.replica.incoming import Delete, Row
from syncline.replica.report import TypeCounts
from syncline.replica.tables import CURRENT_LOADS, base_table, literal

_REPLACE = """ON CONFLICT (_key) DO UPDATE SET
    _bucket = excluded._bucket, _revision = excluded._revision, _load = excluded._load, _data = excluded._data
    WHERE excluded._revision >= {base}._revision OR {base}._load NOT IN {current}"""


def append(connection: sqlite3.Connection, object_type: str, rows: Sequence[Row]) -> TypeCounts:
    """Append records to a loading table as they come."""
    connection.executemany(
        f"INSERT INTO {base_table(object_type)} (_key, _bucket, _revision, _load, _data) VALUES (?, ?, ?, ?, ?)",
        rows,
    )
    return TypeCounts(inserted=len(rows))


def stage(connection: sqlite3.Connection, object_type: str, rows: Sequence[Row] | Sequence[Delete]) -> None:
    """Keep records and deletes for the checkpoint."""
    connection.executemany(
        "INSERT INTO syncline_staged (object_type, key, bucket, revision, load_no, data)"
        f" VALUES ({literal(object_type)}, ?, ?, ?, ?, ?)",
        rows,
    )


def upsert(connection: sqlite3.Connection, object_type: str, rows: Sequence[Row]) -> TypeCounts:
    """Write records into a published table."""
    base = base_table(object_type)
    statement = (
        f"INSERT INTO {base} (_key, _bucket, _revision, _load, _data) VALUES (?, ?, ?, ?, ?) "
        f"{_REPLACE.format(base=base, current=CURRENT_LOADS)}"
    )
    before = _last_rowid(connection, base)
    written = connection.executemany(statement, rows).rowcount
    return _counts(written, inserted=_last_rowid(connection, base) - before)


def delete(connection: sqlite3.Connection, object_type: str, rows: Sequence[Delete]) -> TypeCounts:
    """Delete from a base table."""
    statement = f"""DELETE FROM {base_table(object_type)}
        WHERE _key = ? AND (_revision < ? OR _load NOT IN {CURRENT_LOADS})"""
    return TypeCounts(deleted=connection.executemany(statement, [(row[0], row[2]) for row in rows]).rowcount)


def staged_types(connection: sqlite3.Connection, within: InScopes) -> list[str]:
    """The object types of which something is staged."""
    rows = connection.execute(
        f"SELECT DISTINCT object_type FROM syncline_staged WHERE {_staged(within)}",
        within.parameters,
    )
    return [name for (name,) in rows]


def move_staged(connection: sqlite3.Connection, object_type: str, within: InScopes) -> TypeCounts:
    """Bring what is staged of a type into its published table; it stays staged until `clear_staged`."""
    base = base_table(object_type)
    chosen = f"object_type = ? AND {_staged(within)}"
    parameters = (object_type, *within.parameters)
    before = _last_rowid(connection, base)
    written = connection.execute(
        f"""INSERT INTO {base} (_key, _bucket, _revision, _load, _data)
            SELECT key, bucket, revision, load_no, data FROM syncline_staged
            WHERE data IS NOT NULL AND {chosen} ORDER BY staged_no
            {_REPLACE.format(base=base, current=CURRENT_LOADS)}""",
        parameters,
    ).rowcount
    counts = _counts(written, inserted=_last_rowid(connection, base) - before)
    # Records come before deletes: whichever of the two has the higher revision wins in the end.
    counts.deleted = connection.execute(
        f"""DELETE FROM {base} WHERE _rowid_ IN (
            SELECT held._rowid_ FROM (SELECT key, revision FROM syncline_staged WHERE data IS NULL AND {chosen}) AS gone
            CROSS JOIN {base} AS held ON held._key = gone.key
            WHERE held._revision < gone.revision OR held._load NOT IN {CURRENT_LOADS}
        )""",
        parameters,
    ).rowcount
    return counts


def clear_staged(connection: sqlite3.Connection, within: InScopes) -> None:
    """Empty the stage."""
    # Without a condition SQLite drops whole pages instead of rows.
    condition = f" WHERE {_staged(within)}" if within.parameters else ""
    connection.execute(f"DELETE FROM syncline_staged{condition}", within.parameters)


def _staged(within: InScopes) -> str:
    """The condition that a staged row came with a load of these scopes."""
    return f"load_no IN (SELECT load_no FROM syncline_load WHERE {within.sql})" if within.parameters else "1"


def _last_rowid(connection: sqlite3.Connection, base: str) -> int:
    """A new row gets the next row id, so the difference of two of these says how many were inserted between."""
    (last,) = connection.execute(f"SELECT coalesce(max(_rowid_), 0) FROM {base}").fetchone()
    return int(last)


def _counts(written: int, *, inserted: int) -> TypeCounts:
    return TypeCounts(inserted=inserted, updated=written - inserted)
