"""The device database: an exact copy of an account's records in a SQLite file, read with plain SQL."""

from syncline.replica.errors import (
    DeviceMismatch,
    ForeignAccount,
    NotAReplica,
    QueryFailed,
    ReplicaDamaged,
    ReplicaError,
    ReplicaLocked,
    ReplicaVersionMismatch,
    SchemaUnusable,
    StorageFailed,
    SyncStopped,
    TooManyRefused,
)
from syncline.replica.feeds import FeedState
from syncline.replica.incoming import Accept, Candidate
from syncline.replica.reader import ReplicaReader
from syncline.replica.refusals import Refusal
from syncline.replica.replica import Replica
from syncline.replica.report import Progress, SyncReport, TypeCounts
from syncline.replica.status import Status

__all__ = [
    "Accept",
    "Candidate",
    "DeviceMismatch",
    "FeedState",
    "ForeignAccount",
    "NotAReplica",
    "Progress",
    "QueryFailed",
    "Refusal",
    "Replica",
    "ReplicaDamaged",
    "ReplicaError",
    "ReplicaLocked",
    "ReplicaReader",
    "ReplicaVersionMismatch",
    "SchemaUnusable",
    "Status",
    "StorageFailed",
    "SyncReport",
    "SyncStopped",
    "TooManyRefused",
    "TypeCounts",
]
