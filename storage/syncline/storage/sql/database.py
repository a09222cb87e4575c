"""A database as the store uses it: work in one transaction, tried again when that helps."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from syncline.data import metrics, telemetry
from syncline.storage.errors import StoreUnavailable
from syncline.storage.instruments import counter, histogram
from syncline.storage.request_models import SourceRow
from syncline.storage.sql.faults import fault_name, is_passing, our_errors
from syncline.storage.sql.records_table import Writer

T = TypeVar("T")
Insert = postgresql.Insert | sqlite.Insert

_CONNECTION_WAIT = histogram(metrics.STORE_CONNECTION_WAIT)
_RETRIES = counter(metrics.STORE_RETRIES)

_PAUSES_S = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""How long to wait at most before each further try; what then still fails, fails."""
_PATIENCE_S = 10.0
"""What fails after so long is not tried again: the database has waited for its lock itself, and others wait behind."""


class SourceChanges(NamedTuple):
    """Rows that were asked for, by their places."""

    new: Sequence[int]
    """Their source keys are not known."""
    changed: Sequence[int]
    """What is known has another record key or hash."""


class Database(ABC):
    """The engines of one database, and the few things that databases do differently.

    `work` gets a connection inside a transaction, which is committed when it returns. It may be called again from the
    beginning, so it must change nothing but the database. To leave without a commit, it calls `connection.rollback()`.
    """

    def __init__(self, *, reader: Engine, writer: Engine, snapshot_writer: Engine) -> None:
        self._reader = reader
        self._writer = writer
        self._snapshot_writer = snapshot_writer
        self._driver_error: type[Exception] = writer.dialect.loaded_dbapi.Error
        # Made once: building a statement takes longer than running it.
        self._inserts: dict[Table, Insert] = {}
        self._upserts: dict[Table, Insert] = {}

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one snapshot that cannot be written to."""
        return self._run(self._reader, work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction whose every statement sees all that was committed before it."""
        return self._run(self._writer, work)

    def write_in_snapshot(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction on one snapshot, taken by its first statement."""
        return self._run(self._snapshot_writer, work)

    def close(self) -> None:
        """Close all connections; a second time does nothing."""
        for engine in (self._reader, self._writer, self._snapshot_writer):
            engine.dispose()

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, leaving alone those whose key is there."""
        if table not in self._inserts:
            self._inserts[table] = self.insert(table).on_conflict_do_nothing()
        _execute_rows(connection, self._inserts[table], rows)

    def insert_if_new(self, connection: Connection, table: Table, row: dict[str, Any]) -> bool:
        """Insert a row unless its key is there; was it new?"""
        key = next(iter(table.primary_key))
        # Not by the row count: the drivers do not agree on one for an insert that does nothing.
        insert = self.insert(table).on_conflict_do_nothing().returning(key)
        return connection.execute(insert, row).first() is not None

    def upsert(self, connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, or replace those whose key is there."""
        if table not in self._upserts:
            insert, keys = self.insert(table), list(table.primary_key)
            replaced = {column.name: insert.excluded[column.name] for column in table.c if column not in keys}
            self._upserts[table] = insert.on_conflict_do_update(index_elements=keys, set_=replaced)
        _execute_rows(connection, self._upserts[table], rows)

    @abstractmethod
    def insert(self, table: Table) -> Insert:
        """An insert that can say what happens on conflict."""

    def insert_records(
        self, connection: Connection, account_id: str, rows: Sequence[tuple[Any, ...]], writer: Writer
    ) -> None:
        """Insert rows of `record`, of which none is there, as fast as the database can; see `RECORD_COLUMNS`."""
        self.upsert_records(connection, account_id, rows, writer)

    @abstractmethod
    def upsert_records(
        self, connection: Connection, account_id: str, rows: Sequence[tuple[Any, ...]], writer: Writer
    ) -> None:
        """Insert or replace rows of `record` as fast as the database can; see `RECORD_COLUMNS` for the tuples."""

    @abstractmethod
    def changed_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        object_type: str,
        rows: Sequence[SourceRow],
    ) -> SourceChanges:
        """Which of the rows, all of this object type, are not in `record_source` just like that.

        As fast as the database can: nearly all rows of a run may be there.
        """

    def insert_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        rows: Sequence[tuple[Any, ...]],
        *,
        seen_by: str,
    ) -> None:
        """Insert rows of `record_source`, of which none is there, as fast as the database can; see `SOURCE_COLUMNS`."""
        self.upsert_sources(connection, account_id, enrollment_id, rows, seen_by=seen_by)

    @abstractmethod
    def upsert_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        rows: Sequence[tuple[Any, ...]],
        *,
        seen_by: str,
    ) -> None:
        """Insert or replace rows of `record_source` as fast as the database can; `SOURCE_COLUMNS` has the tuples."""

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        began = time.monotonic()
        with our_errors(self._driver_error):
            for pause_s in _PAUSES_S:
                try:
                    return _attempt(engine, work)
                except (DBAPIError, self._driver_error) as fault:
                    if not is_passing(fault) or time.monotonic() - began >= _PATIENCE_S:
                        raise
                    _RETRIES.add(1, {telemetry.ERROR_TYPE: fault_name(fault)})
                time.sleep(random.uniform(0, pause_s))  # noqa: S311 - so that those that collided do not meet again
            return _attempt(engine, work)


def _execute_rows(connection: Connection, statement: Insert, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        # One row alone goes the shorter way.
        connection.execute(statement, rows[0] if len(rows) == 1 else list(rows))


def _attempt(engine: Engine, work: Callable[[Connection], T]) -> T:
    asked = time.perf_counter()
    try:
        connection = engine.connect()
    finally:
        _CONNECTION_WAIT.record(time.perf_counter() - asked)
    with connection:
        result = work(connection)
        try:
            connection.commit()
        except DBAPIError as fault:
            if fault.connection_invalidated:
                # Not to be tried again: it may have happened.
                raise StoreUnavailable("the connection was lost during the commit; its outcome is not known") from fault
            raise
        return result
