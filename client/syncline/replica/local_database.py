"""Local writes to the device file: the connection that they go over, and their transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import RLock, get_ident

from syncline.client.work_spans import work_span
from syncline.data import telemetry
from syncline.data.schema import Schema
from syncline.data.schema_document import from_document
from syncline.replica.connection import Connect, check_in_transaction, make_durable, open_writer
from syncline.replica.errors import ReplicaError, translated
from syncline.replica.validation import TypeRules
from syncline.replica.writing import LocalWriter


class LocalDatabase:
    """The app's side of a device file that is open. Any thread may use it; transactions of different ones take turns.

    A *local transaction* is durable as a whole when its outermost block ends, and is uploaded as a whole unless it says
    otherwise.
    """

    def __init__(self, path: Path, connect: Connect = sqlite3.connect) -> None:
        """The file exists, and its tables do. Its connection is opened with the first use."""
        self._path = path
        self._connect = connect
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._writer: LocalWriter | None = None
        self._owner: int | None = None
        """The thread whose transaction is open."""
        self._listeners: list[Callable[[], None]] = []
        self._schema_text: str | None = None
        self._schema = Schema()
        self._rules: dict[str, TypeRules] = {}

    @property
    def connection(self) -> sqlite3.Connection:
        """The local connection. Use it inside `transaction` only, or to read what its open transaction sees."""
        with self._lock:
            if self._closed:
                # Opened again it would write to a file that another process may have locked meanwhile.
                raise ReplicaError("this Replica is closed")
            if self._connection is None:
                with translated():
                    connection = open_writer(self._path, self._connect)
                    try:
                        make_durable(connection)
                    except BaseException:
                        connection.close()
                        raise
                self._connection = connection
            return self._connection

    @property
    def in_transaction(self) -> bool:
        """Is a transaction of this thread open?"""
        return self._owner == get_ident()

    def schema(self) -> Schema:
        """The schema in force."""
        with self._lock, translated():
            rows = dict(
                self.connection.execute(
                    "SELECT name, value FROM syncline_meta WHERE name IN ('schema', 'schema_version')"
                )
            )
            text = rows.get("schema")
            if text != self._schema_text or rows.get("schema_version", 0) != self._schema.version:
                self._schema = from_document(json.loads(text or "{}"), version=rows.get("schema_version", 0))
                self._schema_text = text
                self._rules = {}
            return self._schema

    @contextmanager
    def transaction(self, *, as_one: bool = True, is_write: bool = True) -> Iterator[LocalWriter]:
        """One local transaction: durable when the block ends, or nothing of it if the block raises.

        Inside another one of the same thread it is a part of that: if its block raises, what was done in it is undone,
        and the outer one may go on. `as_one` False, which an outer one overrules: the server decides about what each
        call writes for itself. `is_write` False: it is no write of the app, but notes what becomes of one.

        Raises:
            TransactionSpansScopes: its changes are of several scopes.
            TransactionTooLarge: it has more changes than can be sent as one.
            StorageFailed: the file cannot be written: disk full, or locked for too long.
        """
        with self._lock, self._span(is_write=is_write):
            if self._writer is not None:
                with self._savepoint(self._writer):
                    yield self._writer
                return
            connection = self.connection
            before = connection.total_changes
            try:
                with translated():
                    connection.execute("BEGIN IMMEDIATE")  # inside the `try`: see `connection.transaction`
                self._owner = get_ident()
                schema = self.schema()
                self._writer = LocalWriter(connection, schema, as_one=as_one, rules=self._rules)
                yield self._writer
                with translated():
                    self._writer.finish()
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._writer = self._owner = None
            changed = connection.total_changes != before
        if changed:
            for listener in self._listeners:
                listener()

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Have this called after each local transaction that changed anything, in the thread that made it.

        It must be quick, and must not raise.
        """
        self._listeners.append(listener)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Other threads write nothing in the block, and nothing after it if it closes this."""
        with self._lock:
            yield

    def close(self) -> None:
        """Close the connection. A second close does nothing.

        Raises:
            ReplicaError: a transaction of this thread is open.
        """
        if self.in_transaction:
            raise ReplicaError("a local transaction is open: close the file after it")
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _span(self, *, is_write: bool) -> AbstractContextManager[object]:
        """The span of a transaction, which its changes name as where they come from."""
        if not is_write or self._writer is not None:
            return nullcontext()
        return work_span(telemetry.SPAN_WRITE)

    @contextmanager
    def _savepoint(self, writer: LocalWriter) -> Iterator[None]:
        """A part of the open transaction that can be undone by itself."""
        connection = self.connection
        had_changes = writer.has_changes
        with translated():
            check_in_transaction(connection)
            connection.execute("SAVEPOINT part")
        try:
            yield
            with translated():
                check_in_transaction(connection)
                connection.execute("RELEASE part")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO part")
                connection.execute("RELEASE part")
            writer.undo_part(had_changes=had_changes)
            raise
