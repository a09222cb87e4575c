"""`connect=`: an application brings its own SQLite, such as one that encrypts its files.

The stand-in asks for the key as SQLCipher does: a connection that was given none, or another one, runs no statement.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from syncline.replica import AsyncReplica, NotAReplica, Replica, ReplicaReader
from tests.replica.serving import ServedStore


class LockedConnection(sqlite3.Connection):
    """Runs nothing before `unlock`."""

    _unlocked = False

    def unlock(self) -> None:
        self._unlocked = True

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        self._check()
        return super().cursor(factory)

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._check()
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._check()
        return super().executemany(*args)

    def executescript(self, *args: Any) -> sqlite3.Cursor:
        self._check()
        return super().executescript(*args)

    def _check(self) -> None:
        if not self._unlocked:
            error = sqlite3.DatabaseError("file is not a database")
            error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
            error.sqlite_errorname = "SQLITE_NOTADB"
            raise error


class Cipher:
    """Opens files with one key. What a file was made with is noted beside it, since nothing is really encrypted."""

    def __init__(self, key: str) -> None:
        self._seal = hashlib.sha256(key.encode()).hexdigest()
        self.opened: list[str] = []

    def connect(self, database: str | Path, **options: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(database, factory=LockedConnection, **options)
        self.opened.append(str(database))
        seal = Path(str(database).removeprefix("file://").partition("?")[0] + ".seal")
        if not seal.exists():
            seal.write_text(self._seal)
        if seal.read_text() == self._seal:
            connection.unlock()
        return connection


_audited: list[str] | None = None


@contextmanager
def _connections() -> Iterator[list[str]]:
    """Every database that SQLite opens in this process meanwhile, whoever does it."""
    global _audited
    opened: list[str] = []
    _audited = opened
    try:
        yield opened
    finally:
        _audited = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect" and _audited is not None:
        _audited.append(str(arguments[0]))


sys.addaudithook(_note)


def test_every_connection_to_the_device_file_is_the_application_s(path: Path, server: ServedStore) -> None:
    server.write({"a": "from the server"})
    cipher = Cipher("correct horse")
    with _connections() as opened:
        with Replica.open(path, server.address, connect=cipher.connect) as replica:
            replica.sync()
            notes = replica.objects("note")
            with replica.transaction():
                notes.create({"id": "b", "text": "from the device"})
                notes.update_by_pk("a", {"text": "changed"})
            assert replica.get_all_pending_upload_instances().total_count == 2
            assert notes.count("text LIKE ?", ("%from%",)) == 1
            replica.sync()
            replica.reconcile()
            notes.delete_by_pk("b")
            notes.roll_back_pending_local_changes()
            watching = replica.watch()
            next(watching)
            watching.close()
            replica.reset()
            assert replica.query("SELECT name FROM sqlite_master WHERE name = 'note'") == []
        ReplicaReader(path, cipher.connect).status()
    of_file = [name for name in opened if str(path) in name and not name.endswith(".lock")]
    assert of_file == cipher.opened
    assert len(of_file) > 3


async def test_the_asyncio_flavour_uses_it_too(path: Path) -> None:
    cipher = Cipher("correct horse")
    with _connections() as opened:
        async with AsyncReplica.open(path, connect=cipher.connect) as replica:
            await replica.status()
    assert [name for name in opened if not name.endswith(".lock")] == cipher.opened


class InterruptedConnection(sqlite3.Connection):
    """Ctrl-C comes while a transaction waits for its turn: Python raises it once SQLite has begun the transaction."""

    is_interrupted = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        cursor = super().execute(sql, *args)
        if InterruptedConnection.is_interrupted and sql == "BEGIN IMMEDIATE":
            InterruptedConnection.is_interrupted = False
            raise KeyboardInterrupt
        return cursor


def test_ctrl_c_at_the_beginning_of_a_transaction_leaves_none_open(path: Path, server: ServedStore) -> None:
    server.write({"a": "x"})
    with Replica.open(path, server.address, connect=partial(sqlite3.connect, factory=InterruptedConnection)) as replica:
        replica.sync()
        notes = replica.objects("note")
        for work in (lambda: notes.update_by_pk("a", {"text": "y"}), replica.sync):
            InterruptedConnection.is_interrupted = True
            with pytest.raises(KeyboardInterrupt):
                work()
            assert notes.update_by_pk("a", {"text": "z"}) in (0, 1)
            replica.sync()
    assert server.store.get_records("dev", "note", ["a"])[0].revision == 2


@pytest.mark.parametrize("connect", [Cipher("battery staple").connect, LockedConnection])
def test_without_the_key_nothing_is_read_or_written(path: Path, connect: Any) -> None:
    Replica.open(path, connect=Cipher("correct horse").connect).close()
    before = path.read_bytes()
    with pytest.raises(NotAReplica):
        Replica.open(path, connect=connect)
    with pytest.raises(NotAReplica):
        ReplicaReader(path, connect).status()
    assert path.read_bytes() == before
