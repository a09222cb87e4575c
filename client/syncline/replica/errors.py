"""What the device database raises. Errors of the server and the connection are those of `syncline.client`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
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


class WhereInvalid(ReplicaError):
    """A condition, an order or a limit that an app gave is not what it may be. Nothing was read or changed."""


class UnknownObjectType(ReplicaError):
    """The schema has no object type of this name."""


class UnknownRelationship(ReplicaError):
    """No relationship goes by this name between the object type and another, or several do."""


class WriteRefused(ReplicaError):
    """The base of what refuses a local write. Nothing of the write was done.

    Attributes:
        object_type: Name of the record's object type.
        key: The record's key; empty if it has none yet.
        field: The field that breaks the rule; empty if none is to blame.
        rule: What is wrong, in words.
    """

    def __init__(self, object_type: str, key: str, field: str, rule: str) -> None:
        record = f"{object_type} {key!r}" if key else object_type
        super().__init__(f"{record}: {field}: {rule}" if field else f"{record}: {rule}")
        self.object_type = object_type
        self.key = key
        self.field = field
        self.rule = rule


class ValidationFailed(WriteRefused):
    """The record would break a rule of its object type."""


class KeyTaken(WriteRefused):
    """There is a record with this key already."""


class RecordNotFound(WriteRefused):
    """There is no record with this key, as the app sees it."""


class ParentMissing(WriteRefused):
    """A required relationship refers to no record."""


class ChildrenExist(WriteRefused):
    """Other records refer to this one.

    Attributes:
        count: How many.
        children: The first few, as object type and key.
    """

    def __init__(self, object_type: str, key: str, children: Sequence[tuple[str, str]], what: str) -> None:
        self.count = len(children)
        self.children = tuple(children[:5])
        named = ", ".join(f"{child_type} {child_key!r}" for child_type, child_key in self.children)
        more = ", …" if self.count > len(self.children) else ""
        super().__init__(object_type, key, "", f"{what}: {self.count:,} refer to it ({named}{more})")


class DeferredRecord(WriteRefused):
    """The record has deferred changes: change it with `upload=False`, too, or mark it for upload first."""


class ReadOnlyType(WriteRefused):
    """Devices may not change records of this object type."""


class NotSynchronised(WriteRefused):
    """The object type has not been at a checkpoint on this device yet: synchronise first."""


class AwaitingVerdict(WriteRefused):
    """A change of the record was sent, and what the server made of it is not known: synchronise first."""


class TransactionSpansScopes(ReplicaError):
    """The changes of one local transaction are of several scopes. None of them was made."""


class TransactionTooLarge(ReplicaError):
    """One local transaction has more changes than can be sent as one. None of them was made."""


class DeviceWiped(ReplicaError):
    """Somebody wanted the device's copy removed, and it is: the file is gone, and the `Replica` closed."""

    def __init__(self, path: str, given_up: int, *, confirmed: bool) -> None:
        lost = f"; {given_up:,} changes that the server does not have went with it" if given_up else ""
        super().__init__(f"{path} was removed, as the account's operators asked{lost}")
        self.given_up = given_up
        """How many local changes went with it that the server does not have, refused ones included."""
        self.confirmed = confirmed
        """The server knows. Else it is told only by what it does not hear any more."""


class UnsentChanges(ReplicaError):
    """Local changes would be lost that are not on the server. Nothing was changed."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        listed = ", ".join(f"{number:,} of {object_type!r}" for object_type, number in counts.items())
        super().__init__(
            f"changes that are not on the server yet would be lost: {listed}; synchronise or roll them back first, "
            "or say that they may be discarded"
        )
        self.counts = dict(counts)
        """How many changes would be lost, by object type."""


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
