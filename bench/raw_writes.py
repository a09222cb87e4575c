"""The quickest durable ways to write rows of `record` and `record_source` into each database, without the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple

import psycopg

from bench.workplace import ACCOUNT, StoreName
from syncline.storage.models import RecordWrite
from syncline.storage.sql.records_table import ON_KNOWN_RECORD, RECORD_COLUMNS
from syncline.storage.sql.sources_table import ON_KNOWN_SOURCE, SOURCE_COLUMNS
from syncline.storage.sql.sqlite import sqlite_engine
from syncline.v1.frame_pb2 import Frame

Row = tuple[Any, ...]
"""The account and the values of `RECORD_COLUMNS`."""

SourceRow = tuple[Any, ...]
"""The account, no enrollment, the values of `SOURCE_COLUMNS`, and seen by no full run."""

WriteRows = Callable[[Sequence[Row]], None]
"""Writes rows in one durable transaction."""

WriteSourcedRows = Callable[[Sequence[Row], Sequence[SourceRow]], None]
"""Writes records and where they came from in one durable transaction."""


class _Target(NamedTuple):
    """A table, and what becomes of a row that is there already."""

    table: str
    columns: tuple[str, ...]
    on_conflict: str

    @property
    def into(self) -> str:
        return f"INSERT INTO {self.table} ({', '.join(self.columns)})"

    @property
    def types(self) -> list[str]:
        """Those of Postgres."""
        return [_POSTGRES_TYPES.get(name, "text") for name in self.columns]


_POSTGRES_TYPES: Final = {
    "revision": "bigint",
    "entered_revision": "bigint",
    "deleted": "boolean",
    "frame": "bytea",
    "data_hash": "bytea",
    "modified_at": "bigint",
    "created_by": "bytea",
    "source_hash": "bytea",
    "source_image": "bytea",
}
"""Of the columns that are not text."""

_RECORD: Final = _Target("record", ("account_id", *RECORD_COLUMNS), ON_KNOWN_RECORD)
_SOURCE: Final = _Target("record_source", ("account_id", "enrollment_id", *SOURCE_COLUMNS, "seen_by"), ON_KNOWN_SOURCE)


def row_of(write: RecordWrite, scope: str, revision: int) -> Row:
    """The row that this write becomes."""
    values = (write.object_type, write.key, scope, "", revision, revision, False)
    return (ACCOUNT, *values, write.frame, write.data_hash, write.modified_at, None)


def source_row_of(write: RecordWrite) -> SourceRow:
    """The row that notes this write as what a source has under the record's own key."""
    assert write.frame is not None
    image = Frame.FromString(write.frame).data
    return (ACCOUNT, "", write.object_type, write.key, write.key, write.data_hash, image, "")


@contextmanager
def raw_writer(store: StoreName, url: str) -> Iterator[WriteRows]:
    """Write to a migrated database: the same columns and indexes, the same durability as the store's."""
    with _writer(store, url) as write:
        yield lambda rows: write([(_RECORD, rows)])


@contextmanager
def raw_sourced_writer(store: StoreName, url: str) -> Iterator[WriteSourcedRows]:
    """Likewise, with the rows of `record_source` that a sync request keeps."""
    with _writer(store, url) as write:
        yield lambda rows, source_rows: write([(_RECORD, rows), (_SOURCE, source_rows)])


@contextmanager
def raw_copier(url: str) -> Iterator[WriteSourcedRows]:
    """Copy into tables of Postgres that have none of the rows."""
    with psycopg.connect(url) as connection:

        def copy(target: _Target, rows: Sequence[Row]) -> None:
            into = f"COPY {target.table} ({', '.join(target.columns)}) FROM STDIN (FORMAT BINARY)"
            with connection.cursor() as cursor, cursor.copy(into) as copying:
                copying.set_types(target.types)
                for row in rows:
                    copying.write_row(row)

        def write_rows(rows: Sequence[Row], source_rows: Sequence[SourceRow]) -> None:
            copy(_RECORD, rows)
            copy(_SOURCE, source_rows)
            connection.commit()

        yield write_rows


_Write = Callable[[Sequence[tuple[_Target, Sequence[Row]]]], None]


def _writer(store: StoreName, url: str) -> AbstractContextManager[_Write]:
    return _sqlite_writer(url) if store == "sqlite" else _postgres_writer(url)


@contextmanager
def _sqlite_writer(url: str) -> Iterator[_Write]:
    """One `executemany` a table, through the same driver with the same settings."""
    engine = sqlite_engine(url, durable=True, writes=True)
    connection = engine.raw_connection()
    cursor = connection.cursor()
    upserts = {
        target: f"{target.into} VALUES ({', '.join('?' for _ in target.columns)}) {target.on_conflict}"
        for target in (_RECORD, _SOURCE)
    }

    def write(parts: Sequence[tuple[_Target, Sequence[Row]]]) -> None:
        cursor.execute("BEGIN IMMEDIATE")
        for target, rows in parts:
            cursor.executemany(upserts[target], rows)
        cursor.execute("COMMIT")

    try:
        yield write
    finally:
        connection.close()
        engine.dispose()


@contextmanager
def _postgres_writer(url: str) -> Iterator[_Write]:
    """One statement a table with an array per column, prepared by psycopg; a single row goes without arrays."""
    single = {
        target: f"{target.into} VALUES ({', '.join('%b' for _ in target.columns)}) {target.on_conflict}"
        for target in (_RECORD, _SOURCE)
    }
    many = {
        target: f"{target.into} SELECT * FROM unnest({', '.join(f'%b::{name}[]' for name in target.types)}) "
        f"{target.on_conflict}"
        for target in (_RECORD, _SOURCE)
    }
    with psycopg.connect(url, autocommit=True) as connection:

        def upsert(target: _Target, rows: Sequence[Row]) -> None:
            if len(rows) == 1:
                connection.execute(single[target], rows[0])
            else:
                connection.execute(many[target], [list(column) for column in zip(*rows, strict=True)])

        def write(parts: Sequence[tuple[_Target, Sequence[Row]]]) -> None:
            if len(parts) == 1:
                upsert(*parts[0])
                return
            with connection.transaction():
                for target, rows in parts:
                    upsert(target, rows)

        yield write
