"""Connections to the database that is read or written: one at a time, in a snapshot where there are some."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from syncline.server.requests.connectors.contract import ConnectorError, Job
from syncline.server.requests.connectors.sql.faults import our_errors
from syncline.server.requests.connectors.sql.settings import SqlSettings

# The SQLite library of the store: two of them in one process drop each other's locks on a file that both have open.
_sqlite: ModuleType
try:
    _sqlite = import_module("pysqlite3")
except ImportError:
    _sqlite = import_module("sqlite3")

_CONNECT_S: Final = 10
_BUSY_S: Final = 5
_ASK_S: Final = 0.25
"""How often it is asked whether the run is to end, while a statement runs."""
_SNAPSHOT_LEVELS: Final = {
    "postgresql": "REPEATABLE READ",
    "mysql": "REPEATABLE READ",
    "mariadb": "REPEATABLE READ",
    "oracle": "SERIALIZABLE",
}
"""Where it costs nobody else anything. SQLite has no others; SQL Server would lock each row that is read."""


@contextmanager
def connected(job: Job, settings: SqlSettings, *, writes: bool) -> Iterator[Connection]:
    """A connection for the length of the block. A statement that runs when the run is to end is cancelled.

    Args:
        job: what is to be done.
        settings: where.
        writes: else the connection is for reading only, and each of its transactions sees one moment, as far as the
            database can do so.

    Raises:
        ConnectorError: the database cannot be reached, or failed in the block.
    """
    with our_errors(job.secrets):
        engine = _engine(settings.url, writes=writes)
        with engine.connect() as connection, _cancelling(connection, job.stopped):
            yield connection if writes else _in_snapshots(connection)


def check_stopped(job: Job) -> None:
    """Raise a passing `ConnectorError` if the run is to end: what was read so far must not look like all there is."""
    if job.stopped():
        raise ConnectorError("the run was stopped", for_good=False)


def _engine(url: URL, *, writes: bool) -> Engine:
    match url.get_backend_name():
        case "sqlite":
            engine = create_engine(
                _sqlite_url(url, writes=writes), module=_sqlite, poolclass=NullPool, hide_parameters=True,
                connect_args={"check_same_thread": False, "isolation_level": None, "timeout": _BUSY_S, "uri": True},
            )  # fmt: skip
            begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

            # The driver opens no transaction before a SELECT.
            @event.listens_for(engine, "begin")
            def open_transaction(connection: Connection) -> None:
                connection.exec_driver_sql(begin)

        case "postgresql":
            engine = create_engine(
                url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": _CONNECT_S}
            )
            if url.get_driver_name() == "psycopg":
                from syncline.server.requests.connectors.sql import psycopg_dates  # noqa: PLC0415 - only if it is used

                @event.listens_for(engine, "connect")
                def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
                    psycopg_dates.register(connection)

        case _:
            engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    return engine


def _sqlite_url(url: URL, *, writes: bool) -> URL:
    """The file's URL for opening it as it is: never to make it, and never to write it when it is only read."""
    return url.set(
        drivername="sqlite+pysqlite",
        database=f"file:{quote(url.database or '')}",
        query={"mode": "rw" if writes else "ro", "uri": "true"},
    )


def _in_snapshots(connection: Connection) -> Connection:
    """The connection, with transactions that see one moment."""
    backend = connection.dialect.name
    if backend in _SNAPSHOT_LEVELS:
        connection = connection.execution_options(isolation_level=_SNAPSHOT_LEVELS[backend])
    return connection.execution_options(postgresql_readonly=True) if backend == "postgresql" else connection


@contextmanager
def _cancelling(connection: Connection, stopped: Callable[[], bool]) -> Iterator[None]:
    """Cancel what the connection does once the run is to end: drivers block, and ask nobody."""
    done = threading.Event()
    driver = connection.connection.dbapi_connection
    # psycopg's, psycopg2's and oracledb's; SQLite's.
    cancel = next(filter(None, (getattr(driver, name, None) for name in ("cancel_safe", "cancel", "interrupt"))), None)
    if cancel is None:
        yield
        return

    def watch() -> None:
        while not done.wait(_ASK_S):
            if stopped():
                with suppress(Exception):  # it may have ended by itself meanwhile
                    cancel()

    watcher = threading.Thread(target=watch, name="sql-connector-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join(_ASK_S)  # to cancel may itself take long, if the database is out of reach
