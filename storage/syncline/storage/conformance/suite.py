"""All themes in one class."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.account_walls import AccountWallConformance
from syncline.storage.conformance.accounts import AccountConformance
from syncline.storage.conformance.acknowledgements import AcknowledgementConformance
from syncline.storage.conformance.api_keys import ApiKeyConformance
from syncline.storage.conformance.atomicity import AtomicityConformance
from syncline.storage.conformance.audit import AuditConformance
from syncline.storage.conformance.batches_of_parents import BatchOfParentConformance
from syncline.storage.conformance.buckets import BucketConformance
from syncline.storage.conformance.checkpoints import CheckpointConformance
from syncline.storage.conformance.claiming import ClaimingConformance
from syncline.storage.conformance.collection import CollectionConformance
from syncline.storage.conformance.concurrency import ConcurrencyConformance
from syncline.storage.conformance.conflict_log import ConflictLogConformance
from syncline.storage.conformance.conflict_table import ConflictTableConformance
from syncline.storage.conformance.diagnostics import DiagnosticsConformance
from syncline.storage.conformance.enrollments import EnrollmentConformance
from syncline.storage.conformance.feed_order import FeedOrderConformance
from syncline.storage.conformance.isolation import IsolationConformance
from syncline.storage.conformance.managed_devices import ManagedDeviceConformance
from syncline.storage.conformance.names import NameConformance
from syncline.storage.conformance.numbers import NumberConformance
from syncline.storage.conformance.parent_histories import ParentHistoryConformance
from syncline.storage.conformance.payloads import PayloadConformance
from syncline.storage.conformance.positions import PositionConformance
from syncline.storage.conformance.receipts import ReceiptConformance
from syncline.storage.conformance.reconciling import ReconcileConformance
from syncline.storage.conformance.records import RecordConformance
from syncline.storage.conformance.rejections import RejectionConformance
from syncline.storage.conformance.request_collection import RequestCollectionConformance
from syncline.storage.conformance.request_lists import RequestListConformance
from syncline.storage.conformance.row_batches import RowBatchConformance
from syncline.storage.conformance.schedules import ScheduleConformance
from syncline.storage.conformance.schemas import SchemaConformance
from syncline.storage.conformance.server_secrets import ServerSecretConformance
from syncline.storage.conformance.sessions import SessionConformance
from syncline.storage.conformance.statistics import StatisticsConformance
from syncline.storage.conformance.sweeping import SweepConformance
from syncline.storage.conformance.sweeping_parents import SweepingParentConformance
from syncline.storage.conformance.sync_requests import SyncRequestConformance
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.trace_contexts import TraceContextConformance
from syncline.storage.conformance.upload_histories import UploadHistoryConformance
from syncline.storage.conformance.upload_order import UploadOrderConformance
from syncline.storage.conformance.upload_walls import UploadWallConformance
from syncline.storage.conformance.uploads import UploadConformance
from syncline.storage.contract import Store


class StoreConformance(
    AccountConformance,
    ApiKeyConformance,
    SchemaConformance,
    RecordConformance,
    FeedOrderConformance,
    BucketConformance,
    PositionConformance,
    AcknowledgementConformance,
    RejectionConformance,
    SessionConformance,
    CollectionConformance,
    NameConformance,
    NumberConformance,
    PayloadConformance,
    IsolationConformance,
    AccountWallConformance,
    ConcurrencyConformance,
    AtomicityConformance,
    CheckpointConformance,
    UploadConformance,
    ReceiptConformance,
    UploadOrderConformance,
    UploadWallConformance,
    ConflictTableConformance,
    ConflictLogConformance,
    ReconcileConformance,
    UploadHistoryConformance,
    EnrollmentConformance,
    ScheduleConformance,
    SyncRequestConformance,
    RequestListConformance,
    RequestCollectionConformance,
    ClaimingConformance,
    RowBatchConformance,
    SweepConformance,
    BatchOfParentConformance,
    SweepingParentConformance,
    ParentHistoryConformance,
    DiagnosticsConformance,
    TraceContextConformance,
    ManagedDeviceConformance,
    AuditConformance,
    ServerSecretConformance,
    StatisticsConformance,
):
    """The whole suite. It asks for a fixture `store`, of any scope."""

    @pytest.fixture
    def tenant(self, store: Store) -> Tenant:
        """An account of the test's own."""
        return Tenant(store)
