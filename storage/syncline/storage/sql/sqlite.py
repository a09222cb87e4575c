"""SQLite: one writer, several readers, write-ahead log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import chain, count
from time import perf_counter
from types import ModuleType
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from syncline.data import metrics
from syncline.storage.errors import InvalidValue
from syncline.storage.request_models import SourceRow
from syncline.storage.sql.database import Database, SourceChanges, T
from syncline.storage.sql.json_rows import as_json_keys
from syncline.storage.sql.records_table import ON_KNOWN_RECORD, RECORD_COLUMNS, Writer
from syncline.storage.sql.sources_table import ON_KNOWN_SOURCE, SOURCE_COLUMNS
from syncline.storage.sql.turns import LOCK_WAIT, Turns

# One SQLite library for all of this process: two of them on one file drop each other's locks.
_driver: ModuleType
try:
    _driver = import_module("pysqlite3")
except ImportError:
    _driver = import_module("sqlite3")

_FILE_LOCK: Final = {metrics.LOCK: "file"}

_READERS_MAX = 16
_WAIT_S = 30.0
"""For the writer of this process; the database's own lock, held by another process, is waited for as long."""


def sqlite_engine(url: str, *, durable: bool, writes: bool) -> Engine:
    """An engine for reading, or for writing: of the latter there is to be one in a process, with one connection.

    Raises:
        InvalidValue: the URL names no file.
    """
    engine = create_engine(
        _file_url(url),
        module=_driver,
        poolclass=QueuePool,
        pool_size=1 if writes else _READERS_MAX,
        max_overflow=0,
        pool_timeout=_WAIT_S,
        hide_parameters=True,  # records do not belong into logs
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": _WAIT_S},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute(f"PRAGMA cache_size = {-65536 if writes else -8192}")
        connection.execute(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")

    # The driver opens no transaction before a SELECT, and a deferred one cannot be upgraded once another has written.
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "begin")
    def open_transaction(connection: Connection) -> None:
        asked = perf_counter()
        try:
            connection.exec_driver_sql(begin)
        finally:
            if writes:
                LOCK_WAIT.record(perf_counter() - asked, _FILE_LOCK)

    return engine


class SqliteDatabase(Database):
    """A SQLite file. Other processes may have it open, too."""

    def __init__(self, url: str, *, durable: bool) -> None:
        writer = sqlite_engine(url, durable=durable, writes=True)
        super().__init__(
            reader=sqlite_engine(url, durable=durable, writes=False),
            writer=writer,
            snapshot_writer=writer,  # there is one writer: what it sees, stands still
        )
        self._turns = Turns(_WAIT_S)

    def write(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write`."""
        with self._turns.turn():
            return super().write(work)

    def write_in_snapshot(self, work: Callable[[Connection], T]) -> T:
        """See `Database.write_in_snapshot`."""
        with self._turns.turn():
            return super().write_in_snapshot(work)

    def insert(self, table: Table) -> sqlite.Insert:
        """See `Database.insert`."""
        return sqlite.insert(table)

    def upsert_records(
        self, connection: Connection, account_id: str, rows: Sequence[tuple[Any, ...]], writer: Writer
    ) -> None:
        """See `Database.upsert_records`."""
        written_by = None if writer.written_by is None else writer.written_by.hex
        _UPSERT_RECORDS.execute(connection, (account_id, written_by, writer.trace_context), rows)

    def changed_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        object_type: str,
        rows: Sequence[SourceRow],
    ) -> SourceChanges:
        """See `Database.changed_sources`."""
        keys = as_json_keys(row.source_key for row in rows)
        found = connection.exec_driver_sql(KNOWN_HASHES, (account_id, enrollment_id, object_type, keys))
        known = {source_key: (record_key, source_hash) for source_key, record_key, source_hash in found.all()}
        new: list[int] = []
        changed: list[int] = []
        for place, row in enumerate(rows):
            stands = known.get(row.source_key)
            if stands is None:
                new.append(place)
            elif stands != (row.record_key, row.source_hash):
                changed.append(place)
        return SourceChanges(new, changed)

    def upsert_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        rows: Sequence[tuple[Any, ...]],
        *,
        seen_by: str,
    ) -> None:
        """See `Database.upsert_sources`."""
        _UPSERT_SOURCES.execute(connection, (account_id, enrollment_id, seen_by), rows)


class _ManyRows:
    """An insert of any number of rows, in few statements.

    A statement for each row would be as quick by itself, but gives Python's lock up for each one, and whenever another
    thread is busy waits for it again: twenty times slower was measured.
    """

    _CHUNKS = (1_000, 250, 25, 5, 1)
    """Rows of one statement. Few different ones, so that the driver finds them prepared."""

    def __init__(self, table: str, shared: Sequence[str], columns: Sequence[str], on_conflict: str) -> None:
        """Prepare statements for a table, where all rows of a call have the same values in the columns `shared`."""
        self._statements: dict[int, str] = {}
        for size in self._CHUNKS:
            places = count(len(shared) + 1)
            own = (", ".join(f"?{next(places)}" for _ in columns) for _ in range(size))
            all_share = "".join(f"?{place + 1}, " for place in range(len(shared)))
            rows = ", ".join(f"({all_share}{values})" for values in own)
            names = ", ".join((*shared, *columns))
            self._statements[size] = f"INSERT INTO {table} ({names}) VALUES {rows} {on_conflict}"  # noqa: S608 - names are constants

    def execute(self, connection: Connection, shared: tuple[Any, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert the rows."""
        done = 0
        for size, statement in self._statements.items():
            while len(rows) - done >= size:
                own = chain.from_iterable(rows[done : done + size])
                connection.exec_driver_sql(statement, (*shared, *own))
                done += size


_UPSERT_RECORDS = _ManyRows("record", ("account_id", *Writer._fields), RECORD_COLUMNS, ON_KNOWN_RECORD)
KNOWN_HASHES = (
    "SELECT source_key, record_key, source_hash FROM record_source "
    "WHERE record_source.account_id = ? AND enrollment_id = ? AND object_type = ? "
    "AND source_key IN (SELECT value FROM json_each(?))"
)
_UPSERT_SOURCES = _ManyRows(
    "record_source", ("account_id", "enrollment_id", "seen_by"), SOURCE_COLUMNS, ON_KNOWN_SOURCE
)


def _file_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidValue("url", "not a URL; write sqlite:///path/of/the/file.db") from None
    if not parsed.database or parsed.database == ":memory:":
        raise InvalidValue("url", "a SQLite store needs a file; write sqlite:///path/of/the/file.db")
    return parsed.set(drivername="sqlite+pysqlite")
