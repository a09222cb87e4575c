"""Keeps a device file to one process."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Self

from syncline.replica.errors import ReplicaLocked, StorageFailed


class FileLock:
    """A lock on `<path>.lock`, held from `acquire` to `release` or the end of the process, however it ends.

    It is SQLite's own file lock on a database that stays empty: it works wherever SQLite does, and readers of the
    device file never meet it. The side file stays behind, since removing it would race with another opener.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take the lock of this device file at once, or not at all.

        Raises:
            ReplicaLocked: it is held.
            StorageFailed: the side file cannot be made.
        """
        side = path.with_name(f"{path.name}.lock")
        try:
            connection = sqlite3.connect(side, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StorageFailed(f"cannot open {side}: {error}") from error
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise ReplicaLocked(
                    f"{path} is open in another process or Replica; close that one first. "
                    "Reading it with plain SQLite, `syncline query` or `syncline status` is always possible."
                ) from error
            raise StorageFailed(f"cannot lock {side}: {error}") from error
        return cls(connection)

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        self._connection.close()
