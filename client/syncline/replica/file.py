"""A device file, opened for its one user."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

from syncline.replica.connection import Connect, check_sqlite_version, make_durable, open_writer, transaction
from syncline.replica.errors import DeviceMismatch, StorageFailed, translated
from syncline.replica.facts import read_facts, write_facts
from syncline.replica.layout import FORMAT_VERSION, check, create, format_version, is_empty, upgrade
from syncline.replica.lock import FileLock
from syncline.replica.tables import create_missing


class ReplicaFile:
    """The file, its lock, and the one connection that writes to it."""

    def __init__(self, path: Path, lock: FileLock, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._lock = lock

    @classmethod
    def open(cls, path: Path, device: UUID | None, connect: Connect) -> Self:
        """Lock the file and open it; a new one is made, with this device's UUID or one of its own.

        Raises:
            ReplicaLocked: it is open elsewhere.
            NotAReplica: it is something else.
            ReplicaVersionMismatch: it is of a newer format, or SQLite is too old.
            DeviceMismatch: it is another device's.
            StorageFailed: it cannot be read or written.
        """
        check_sqlite_version()
        lock = FileLock.acquire(path)
        try:
            with translated():
                connection = open_writer(path, connect)
        except BaseException:
            lock.release()
            raise
        file = cls(path, lock, connection)
        try:
            with translated():
                file._prepare(device)
        except BaseException:
            file.close()
            raise
        return file

    def close(self) -> None:
        """Close the connection and give the lock back. A second close does nothing."""
        self.connection.close()
        self._lock.release()

    def remove(self) -> None:
        """Close the connection, remove the file, and give the lock back.

        Raises:
            StorageFailed: it cannot be removed.
        """
        self.connection.close()
        try:
            # The log first: a new file of this name must not find an old one's.
            for suffix in ("-wal", "-shm", "-journal", ""):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(f"cannot remove {self.path}: {error}") from error
        finally:
            self._lock.release()

    def _prepare(self, device: UUID | None) -> None:
        if is_empty(self.connection, self.path):
            make_durable(self.connection)
            with transaction(self.connection):
                create(self.connection)
                write_facts(self.connection, device_uuid=str(device or uuid4()))
            return
        check(self.connection, self.path)
        make_durable(self.connection)
        facts = read_facts(self.connection)
        if device not in (None, facts.device_uuid):
            raise DeviceMismatch(f"{self.path} belongs to the device {facts.device_uuid}, not to {device}")
        if format_version(self.connection) < FORMAT_VERSION:
            with transaction(self.connection):
                upgrade(self.connection)
                create_missing(self.connection, facts.schema)
