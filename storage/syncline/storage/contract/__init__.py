"""What a store must do. The docstrings are the contract; `syncline.storage.conformance` holds a store to it.

For every method:

- It is synchronous and may be called from any thread; it returns when its effect is durable (SIGKILL of every process
  and of the database does not undo it) unless the store was opened with a weaker setting.
- It is one transaction: it happens as a whole or not at all.
- It raises only `syncline.storage.errors`. Passing faults of the database (a serialisation failure, a lock that
  could not be had, a lost connection before the commit) are retried inside; what remains is `StoreUnavailable`.
- It sees and touches rows of `account_id` only. `AccountNotFound` if there is no such account. What has none says that
  it crosses accounts.
- Strings compare by code point: case, accents, trailing blanks and length matter; the empty string is a value. Keys
  up to 1,024 characters. A NUL or a lone surrogate in any string raises `InvalidValue`.
"""

from __future__ import annotations

from typing import Protocol

from syncline.storage.contract.accounts import AccountStore
from syncline.storage.contract.acknowledgements import AcknowledgementStore
from syncline.storage.contract.api_keys import ApiKeyStore
from syncline.storage.contract.audit import AuditStore
from syncline.storage.contract.collection import CollectionStore
from syncline.storage.contract.devices import DeviceStore
from syncline.storage.contract.diagnostics import DiagnosticsStore
from syncline.storage.contract.enrollments import EnrollmentStore, ScheduleStore
from syncline.storage.contract.queue import QueueStore
from syncline.storage.contract.reconciling import ReconcileStore
from syncline.storage.contract.records import RecordStore
from syncline.storage.contract.schemas import SchemaStore
from syncline.storage.contract.server_secrets import ServerSecretStore
from syncline.storage.contract.statistics import StatisticsStore
from syncline.storage.contract.sync_requests import RowWriter, SyncRequestStore, WorkStore
from syncline.storage.contract.uploads import Judge, UploadStore

__all__ = [
    "AccountStore",
    "AcknowledgementStore",
    "ApiKeyStore",
    "AuditStore",
    "CollectionStore",
    "DeviceStore",
    "DiagnosticsStore",
    "EnrollmentStore",
    "Judge",
    "QueueStore",
    "ReconcileStore",
    "RecordStore",
    "RowWriter",
    "ScheduleStore",
    "SchemaStore",
    "ServerSecretStore",
    "StatisticsStore",
    "Store",
    "SyncRequestStore",
    "UploadStore",
    "WorkStore",
]


class Store(
    AccountStore,
    AcknowledgementStore,
    AuditStore,
    ApiKeyStore,
    CollectionStore,
    DeviceStore,
    DiagnosticsStore,
    EnrollmentStore,
    QueueStore,
    ReconcileStore,
    RecordStore,
    ScheduleStore,
    SchemaStore,
    ServerSecretStore,
    StatisticsStore,
    SyncRequestStore,
    UploadStore,
    WorkStore,
    Protocol,
):
    """All of it."""

    def check_version(self) -> None:
        """Raise `StoreVersionMismatch` unless the database has the tables of this very program."""

    def close(self) -> None:
        """Give everything back. No method may be called afterwards; a second close does nothing."""
