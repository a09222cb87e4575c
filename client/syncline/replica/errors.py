"""What the device database raises. Errors of the server and the connection are those of `syncline.client`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class ReplicaError(Exception):
    """The base of all errors of the device database. The file is sound whenever one is raised, unless it says not."""


class ReplicaLocked(ReplicaError):
    """Another process, or another `Replica` of this one, has the file open. One at a time may synchronise it."""


class NotAReplica(ReplicaError):
    """The file is something else than a device database. It was not touched."""


class ReplicaVersionMismatch(ReplicaError):
    """The file was made by a newer version of Syncline, or SQLite is too old. The file was not touched."""


class ReplicaDamaged(ReplicaError):
    """SQLite finds the file damaged. Put it back from a copy, or remove it and synchronise again."""


class StorageFailed(ReplicaError):
    """The file could not be read or written: disk full, no permission, a fault of the disk, a lock held too long.

    What was not stored is not acknowledged, and comes again.
    """


class ForeignAccount(ReplicaError):
    """The server serves another account than the one that the file belongs to. Nothing was changed."""


class DeviceMismatch(ReplicaError):
    """The file belongs to another device than the one named."""


class SchemaUnusable(ReplicaError):
    """The server's schema breaks a rule of this version, so that no tables can be made from it."""


class TooManyRefused(ReplicaError):
    """The device cannot take more items than it may refuse. The page at hand was not stored."""


class SyncStopped(ReplicaError):
    """`stop` ended the synchronisation before it reached a checkpoint."""


class QueryFailed(ReplicaError):
    """The SQL statement is wrong, or would write."""


class ConstraintFailed(ReplicaError):
    """A row breaks a rule of its table; the transaction was rolled back. Never leaves this package."""


_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of SQLite into ours."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ConstraintFailed(str(error)) from error
    except sqlite3.Error as error:
        # The lowest byte is the primary code; errors that the Python module itself raises have none.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED:
            raise ReplicaDamaged(f"the device file is damaged: {error}") from error
        raise StorageFailed(f"the device file could not be used: {error}") from error
