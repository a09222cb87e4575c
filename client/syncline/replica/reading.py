"""Connections that read what is committed, kept open between reads: opening one takes longer than most reads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock

from syncline.data.schema import Schema
from syncline.data.schema_document import from_document
from syncline.replica.connection import Connect, open_reader
from syncline.replica.errors import ReplicaError, translated
from syncline.replica.local_database import LocalDatabase

_IDLE_MAX = 4


class ReadConnections:
    """Connections to one device file that cannot write. Threads may share it; each read has a connection to itself."""

    def __init__(self, path: Path, connect: Connect = sqlite3.connect) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._connect = partial(connect, check_same_thread=False)
        self._idle: list[sqlite3.Connection] = []
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment.

        Raises:
            ReplicaError: it is closed.
            StorageFailed: the file could not be read.
        """
        with translated():
            connection = self._take()
            try:
                with one_moment(connection):
                    yield connection
            except sqlite3.Error:
                connection.close()
                raise
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Close them all; those in use, when they are given back. A second close does nothing."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise ReplicaError("this Replica is closed")
            if self._idle:
                return self._idle.pop()
        return open_reader(self._path, self._connect)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_MAX and _is_usable(connection):
                self._idle.append(connection)
                return
        connection.close()


@contextmanager
def visible(local: LocalDatabase, readers: ReadConnections) -> Iterator[sqlite3.Connection]:
    """A connection that sees what the app is to see, at one moment.

    That is what is committed; inside a local transaction of this thread, what was written in it, too.
    """
    if local.in_transaction:
        with translated():
            yield local.connection
    else:
        with readers.snapshot() as connection:
            yield connection


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """All reads in the block see the same state, that of the caller's transaction if there is one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            connection.execute("COMMIT")


def schema_of(connection: sqlite3.Connection) -> Schema:
    """The schema as this connection sees it; version 0 before the first contact with a server."""
    rows = dict(connection.execute("SELECT name, value FROM syncline_meta WHERE name IN ('schema', 'schema_version')"))
    return _parse(rows.get("schema", "{}"), rows.get("schema_version", 0))


@lru_cache(maxsize=8)
def _parse(document: str, version: int) -> Schema:
    return from_document(json.loads(document), version=version)


def _is_usable(connection: sqlite3.Connection) -> bool:
    """A closed connection, or one that is stuck in a transaction, is not."""
    try:
        return not connection.in_transaction
    except sqlite3.ProgrammingError:
        return False
