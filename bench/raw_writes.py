"""The quickest durable way to write rows of `record` into each database, without the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg

from bench.workplace import ACCOUNT, StoreName
from syncline.storage.models import RecordWrite
from syncline.storage.sql.records_table import RECORD_COLUMNS, REPLACED_COLUMNS
from syncline.storage.sql.sqlite import sqlite_engine

Row = tuple[Any, ...]
"""The account and the values of `RECORD_COLUMNS`."""

WriteRows = Callable[[Sequence[Row]], None]
"""Writes rows in one durable transaction."""

_COLUMNS = ("account_id", *RECORD_COLUMNS)
_INTO = f"INSERT INTO record ({', '.join(_COLUMNS)})"
_ON_CONFLICT = "ON CONFLICT (account_id, object_type, record_key) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in REPLACED_COLUMNS
)
_POSTGRES_TYPES = {
    "revision": "bigint",
    "entered_revision": "bigint",
    "deleted": "boolean",
    "frame": "bytea",
    "data_hash": "bytea",
    "modified_at": "bigint",
    "created_by": "bytea",
}
"""Of the columns that are not text."""


def row_of(write: RecordWrite, scope: str, revision: int) -> Row:
    """The row that this write becomes."""
    values = (write.object_type, write.key, scope, "", revision, revision, False)
    return (ACCOUNT, *values, write.frame, write.data_hash, write.modified_at, None)


def raw_writer(store: StoreName, url: str) -> AbstractContextManager[WriteRows]:
    """Write to a migrated database: the same columns and indexes, the same durability as the store's."""
    return _sqlite_writer(url) if store == "sqlite" else _postgres_writer(url)


@contextmanager
def _sqlite_writer(url: str) -> Iterator[WriteRows]:
    """One `executemany`, through the same driver with the same settings."""
    engine = sqlite_engine(url, durable=True, writes=True)
    connection = engine.raw_connection()
    cursor = connection.cursor()
    upsert = f"{_INTO} VALUES ({', '.join('?' for _ in _COLUMNS)}) {_ON_CONFLICT}"

    def write_rows(rows: Sequence[Row]) -> None:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(upsert, rows)
        cursor.execute("COMMIT")

    try:
        yield write_rows
    finally:
        connection.close()
        engine.dispose()


@contextmanager
def _postgres_writer(url: str) -> Iterator[WriteRows]:
    """One statement with an array per column, prepared by psycopg; a single row goes without arrays."""
    single = f"{_INTO} VALUES ({', '.join('%b' for _ in _COLUMNS)}) {_ON_CONFLICT}"
    arrays = ", ".join(f"%b::{_POSTGRES_TYPES.get(name, 'text')}[]" for name in _COLUMNS)
    many = f"{_INTO} SELECT * FROM unnest({arrays}) {_ON_CONFLICT}"
    with psycopg.connect(url, autocommit=True) as connection:

        def write_rows(rows: Sequence[Row]) -> None:
            if len(rows) == 1:
                connection.execute(single, rows[0])
            else:
                connection.execute(many, [list(column) for column in zip(*rows, strict=True)])

        yield write_rows
