"""Postgres, through psycopg with binary results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.pq import Format
from sqlalchemy import BigInteger, Boolean, Connection, Engine, LargeBinary, Table, Text, Uuid, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from syncline.storage.errors import InvalidValue
from syncline.storage.request_models import SourceRow
from syncline.storage.sql.database import Database, SourceChanges
from syncline.storage.sql.json_rows import as_json_keys
from syncline.storage.sql.records_table import ON_KNOWN_RECORD, RECORD_COLUMNS, Writer
from syncline.storage.sql.sources_table import ON_KNOWN_SOURCE, SOURCE_COLUMNS
from syncline.storage.sql.tables import record, record_source

_CONNECTIONS_MAX = 16
_COPIED_FROM = 50
"""Fewer rows are inserted by a statement: a copy needs one more round trip."""
_WAIT_S = 30.0


class _BinaryCursor(psycopg.Cursor[Any]):
    """Asks for results in binary: bytes then come as they are, not as hexadecimal text."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.format = Format.BINARY


def postgres_engine(url: str, *, durable: bool) -> Engine:
    """An engine with a pool of connections.

    Raises:
        InvalidValue: not a URL.
    """
    engine = create_engine(
        _psycopg_url(url),
        pool_size=_CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=_WAIT_S,
        isolation_level="READ COMMITTED",
        hide_parameters=True,  # records do not belong into logs
        # Plans are made anew each time: one that was made for an empty table stays bad while the table grows. It also
        # makes no difference then whether a connection pooler stands in between.
        connect_args={"cursor_factory": _BinaryCursor, "prepare_threshold": None, "connect_timeout": 10},
    )
    # A server set to more than `on` (with replicas) is left at that.
    weak, level = ("off", "on") if durable else ("on", "off")

    @event.listens_for(engine, "connect")
    def configure(connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
        connection.execute(
            "SELECT set_config('synchronous_commit', %s, false) WHERE current_setting('synchronous_commit') = %s",
            (level, weak),
        )
        connection.commit()

    return engine


class PostgresDatabase(Database):
    """A Postgres database; any number of processes may share it."""

    def __init__(self, url: str, *, durable: bool) -> None:
        engine = postgres_engine(url, durable=durable)
        super().__init__(
            reader=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
            writer=engine,
            snapshot_writer=engine.execution_options(isolation_level="REPEATABLE READ"),
        )

    def insert(self, table: Table) -> postgresql.Insert:
        """See `Database.insert`."""
        return postgresql.insert(table)

    def insert_records(
        self, connection: Connection, account_id: str, rows: Sequence[tuple[Any, ...]], writer: Writer
    ) -> None:
        """See `Database.insert_records`."""
        if len(rows) < _COPIED_FROM:
            super().insert_records(connection, account_id, rows, writer)
        else:
            whole = ((account_id, *row, *writer) for row in rows)
            _copy(connection, record, ("account_id", *RECORD_COLUMNS, *Writer._fields), whole)

    def upsert_records(
        self, connection: Connection, account_id: str, rows: Sequence[tuple[Any, ...]], writer: Writer
    ) -> None:
        """See `Database.upsert_records`."""
        values = {"of_account": account_id, **writer._asdict()}
        connection.exec_driver_sql(_UPSERT_RECORDS, {**values, **_arrays(RECORD_COLUMNS, rows)})

    def changed_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        object_type: str,
        rows: Sequence[SourceRow],
    ) -> SourceChanges:
        """See `Database.changed_sources`."""
        values = {
            "of_account": account_id,
            "of_enrollment": enrollment_id,
            "of_type": object_type,
            "source_keys": as_json_keys([row.source_key for row in rows]),
            # Mostly the same texts once more, which would have to be sent and taken apart.
            "record_keys": as_json_keys(
                [] if all(row.record_key == row.source_key for row in rows) else [row.record_key for row in rows]
            ),
            "hashes": as_json_keys([row.source_hash.hex() for row in rows]),
        }
        new, changed = connection.exec_driver_sql(CHANGED_SOURCES, values).one()
        return SourceChanges(new or (), changed or ())

    def insert_sources(
        self,
        connection: Connection,
        account_id: str,
        enrollment_id: str,
        rows: Sequence[tuple[Any, ...]],
        *,
        seen_by: str,
    ) -> None:
        """See `Database.insert_sources`."""
        if len(rows) < _COPIED_FROM:
            super().insert_sources(connection, account_id, enrollment_id, rows, seen_by=seen_by)
        else:
            whole = ((account_id, enrollment_id, *row, seen_by) for row in rows)
            _copy(connection, record_source, ("account_id", "enrollment_id", *SOURCE_COLUMNS, "seen_by"), whole)

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
        values = {"of_account": account_id, "of_enrollment": enrollment_id, "seen_by": seen_by}
        connection.exec_driver_sql(_UPSERT_SOURCES, {**values, **_arrays(SOURCE_COLUMNS, rows)})


_TYPES = {Text: "text", BigInteger: "bigint", Boolean: "boolean", LargeBinary: "bytea", Uuid: "uuid"}


def _copy(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows the way that Postgres has for many: at two thirds of the cost of any other statement."""
    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table.name} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
    with driver.cursor() as cursor, cursor.copy(statement) as copying:
        copying.set_types([_TYPES[type(table.c[name].type)] for name in names])
        for row in rows:
            copying.write_row(row)


def _arrays(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """The values of each column."""
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _unnested(table: Table, names: Sequence[str]) -> str:
    """The rows of an array per column. `%b` has psycopg send them in binary, at a third of the cost of text."""
    return f"unnest({', '.join(f'%({name})b::{_TYPES[type(table.c[name].type)]}[]' for name in names)})"


def _upsert_records() -> str:
    return (
        f"INSERT INTO record (account_id, {', '.join((*RECORD_COLUMNS, *Writer._fields))}) "  # noqa: S608 - constants
        f"SELECT %(of_account)s, changed.*, %(written_by)s::uuid, %(trace_context)s::text "
        f"FROM {_unnested(record, RECORD_COLUMNS)} AS changed {ON_KNOWN_RECORD}"
    )


def _changed_sources() -> str:
    # One by one, by the key: a planner that knows little of the table might read all of it. A number for each row that
    # differs, and nothing of the others: they are most, and cost more to receive than to look up. They are asked for in
    # JSON, as the driver spells arrays in Python, at 2 us a row.
    arrays = ", ".join(
        f"json_array_elements_text(%({name})s::json)" for name in ("source_keys", "record_keys", "hashes")
    )
    return (
        f"SELECT array_agg(asked.place - 1) FILTER (WHERE known.record_key IS NULL), "  # noqa: S608 - constants
        f"array_agg(asked.place - 1) FILTER (WHERE known.record_key IS NOT NULL) "
        f"FROM ROWS FROM ({arrays}) WITH ORDINALITY AS asked (source_key, record_key, hash, place) LEFT JOIN LATERAL ("
        f"SELECT record_key, source_hash FROM record_source "
        f"WHERE record_source.account_id = %(of_account)s AND enrollment_id = %(of_enrollment)s "
        f"AND object_type = %(of_type)s AND record_source.source_key = asked.source_key OFFSET 0"
        f") AS known ON true "
        f"WHERE known.source_hash IS DISTINCT FROM decode(asked.hash, 'hex') "
        f"OR known.record_key IS DISTINCT FROM coalesce(asked.record_key, asked.source_key)"
    )


def _upsert_sources() -> str:
    return (
        f"INSERT INTO record_source (account_id, enrollment_id, {', '.join(SOURCE_COLUMNS)}, seen_by) "  # noqa: S608
        f"SELECT %(of_account)s, %(of_enrollment)s, known.*, %(seen_by)s "
        f"FROM {_unnested(record_source, SOURCE_COLUMNS)} AS known {ON_KNOWN_SOURCE}"
    )


CHANGED_SOURCES = _changed_sources()
_UPSERT_RECORDS = _upsert_records()
_UPSERT_SOURCES = _upsert_sources()


def _psycopg_url(url: str) -> URL:
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise InvalidValue("url", "not a URL; write postgresql://user:password@host/database") from None
    if "@" in (parsed.host or ""):
        # Errors of the connection tell the host: here, with the end of the password.
        raise InvalidValue("url", "there is an @ too many; in a password, write it %40")
    return parsed
