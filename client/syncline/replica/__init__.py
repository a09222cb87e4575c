"""The device database: an exact copy of an account's records in a SQLite file, read with plain SQL."""

from syncline.replica.async_objects import AsyncObjects
from syncline.replica.async_replica import AsyncReplica
from syncline.replica.change_log import ChangeRefusal, ChangeState
from syncline.replica.conflicts import Conflict
from syncline.replica.errors import (
    AwaitingVerdict,
    ChildrenExist,
    DeferredRecord,
    DeviceMismatch,
    DeviceWiped,
    ForeignAccount,
    KeyTaken,
    NotAReplica,
    NotSynchronised,
    ParentMissing,
    QueryFailed,
    ReadOnlyType,
    RecordNotFound,
    ReplicaDamaged,
    ReplicaError,
    ReplicaLocked,
    ReplicaVersionMismatch,
    SchemaUnusable,
    StorageFailed,
    SyncStopped,
    TooManyRefused,
    TransactionSpansScopes,
    TransactionTooLarge,
    UnknownObjectType,
    UnknownRelationship,
    UnsentChanges,
    ValidationFailed,
    WhereInvalid,
    WriteRefused,
)
from syncline.replica.events import OnEvent, Phase, SyncEvent
from syncline.replica.feeds import FeedState
from syncline.replica.incoming import Accept, Candidate
from syncline.replica.objects import Objects
from syncline.replica.pending import ObjectInstances, PendingInstance, PendingInstances, PendingState, ScopeInstances
from syncline.replica.queries import Record
from syncline.replica.reader import ReplicaReader
from syncline.replica.reconciling import ReconcileReport
from syncline.replica.record_pk import PrimaryKey
from syncline.replica.refusals import Refusal
from syncline.replica.replica import Replica
from syncline.replica.report import Progress, RejectedChange, SyncReport, TypeCounts, UploadReport, VerdictCounts
from syncline.replica.roll_back import RolledBack
from syncline.replica.status import Status
from syncline.replica.uploader import ScopeTask

__all__ = [
    "Accept",
    "AsyncObjects",
    "AsyncReplica",
    "AwaitingVerdict",
    "Candidate",
    "ChangeRefusal",
    "ChangeState",
    "ChildrenExist",
    "Conflict",
    "DeferredRecord",
    "DeviceMismatch",
    "DeviceWiped",
    "FeedState",
    "ForeignAccount",
    "KeyTaken",
    "NotAReplica",
    "NotSynchronised",
    "ObjectInstances",
    "Objects",
    "OnEvent",
    "ParentMissing",
    "PendingInstance",
    "PendingInstances",
    "PendingState",
    "Phase",
    "PrimaryKey",
    "Progress",
    "QueryFailed",
    "ReadOnlyType",
    "ReconcileReport",
    "Record",
    "RecordNotFound",
    "Refusal",
    "RejectedChange",
    "Replica",
    "ReplicaDamaged",
    "ReplicaError",
    "ReplicaLocked",
    "ReplicaReader",
    "ReplicaVersionMismatch",
    "RolledBack",
    "SchemaUnusable",
    "ScopeInstances",
    "ScopeTask",
    "Status",
    "StorageFailed",
    "SyncEvent",
    "SyncReport",
    "SyncStopped",
    "TooManyRefused",
    "TransactionSpansScopes",
    "TransactionTooLarge",
    "TypeCounts",
    "UnknownObjectType",
    "UnknownRelationship",
    "UnsentChanges",
    "UploadReport",
    "ValidationFailed",
    "VerdictCounts",
    "WhereInvalid",
    "WriteRefused",
]
