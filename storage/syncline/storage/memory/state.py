"""What the model keeps: one dictionary a table, one lock for everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from syncline.data.schema import Schema
from syncline.storage.api_key_models import ApiKey
from syncline.storage.audit_models import Act, AuditEntry
from syncline.storage.errors import AccountNotFound, DeviceNotFound, EnrollmentNotFound, RequestNotFound
from syncline.storage.identity import random_id
from syncline.storage.limits import check_text
from syncline.storage.models import Device, Feed, Head, Position, Record, Rejection, ServerSecret, Session
from syncline.storage.request_models import Detail, Enrollment, NewRequest, SyncRequest, TypeCounts
from syncline.storage.row_plan import KnownSource
from syncline.storage.upload_models import Conflict, Receipt

ItemName = tuple[str, str]
"""Object type and key."""


class FeedRow(NamedTuple):
    """A record, a tombstone or a departure, as one row of its feed."""

    revision: int
    entered_revision: int
    frame: bytes | None
    """None: a tombstone or a departure."""
    object_type: str
    key: str
    modified_at: int
    trace_context: str | None = None
    """None: a departure, or none was kept."""


@dataclass
class RejectionRow:
    """A rejection with what only the store has to know of it."""

    rejection: Rejection
    feed: Feed
    """Where the item was when it was refused."""
    session_id: str
    """The session in which it was refused last; empty if it was told of when one began."""


class ReceiptRow(NamedTuple):
    """A receipt and when it was made."""

    receipt: Receipt
    decided_at: int


@dataclass
class DeviceRow:
    """A device with all that is the device's own."""

    device: Device
    grants: dict[str, int]
    positions: dict[Feed, Position] = field(default_factory=dict)
    rejections: dict[ItemName, RejectionRow] = field(default_factory=dict)
    receipts: dict[int, ReceiptRow] = field(default_factory=dict)
    """By `change_seq`."""

    def note_contact(self, now: int) -> None:
        """Move the last contact on, never back."""
        self.device = replace(self.device, last_contact=max(self.device.last_contact, now))


@dataclass
class SessionRow:
    """A session with the history that it belongs to."""

    session: Session
    store_epoch: int


@dataclass
class RequestRow:
    """A sync request with what only the store has to know of it."""

    request: SyncRequest
    new: NewRequest | None
    """As it was asked for; None: a parent."""
    lease_token: int = 0
    """IN_PROGRESS: of the lease; else 0."""
    batch_number: int = 0
    """Of the attempt's last batch; 0: there was none."""
    details: list[Detail] = field(default_factory=list)
    counts: dict[str, TypeCounts] = field(default_factory=dict)


@dataclass
class SourceState:
    """A row of a connected system, and the request that brought it last, or its parent."""

    known: KnownSource
    seen_by: str = ""


@dataclass
class AccountState:
    """Everything of one account."""

    head: Head
    schema: Schema = field(default_factory=Schema)
    records: dict[ItemName, Record] = field(default_factory=dict)
    departures: dict[Feed, dict[ItemName, FeedRow]] = field(default_factory=dict)
    floors: dict[Feed, int] = field(default_factory=dict)
    devices: dict[UUID, DeviceRow] = field(default_factory=dict)
    sessions: dict[str, SessionRow] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    """In the order in which they were decided."""
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    """By prefix."""
    enrollments: dict[str, Enrollment] = field(default_factory=dict)
    requests: dict[str, RequestRow] = field(default_factory=dict)
    sources: dict[str | None, dict[ItemName, SourceState]] = field(default_factory=dict)
    """By enrollment, then by object type and source key."""
    acts: list[AuditEntry] = field(default_factory=list)

    def device(self, device_uuid: UUID) -> DeviceRow:
        """The device's row, or `DeviceNotFound`."""
        try:
            return self.devices[device_uuid]
        except KeyError:
            raise DeviceNotFound(f"there is no device {device_uuid}") from None

    def enrollment(self, enrollment_id: str) -> Enrollment:
        """The enrollment, or `EnrollmentNotFound`."""
        try:
            return self.enrollments[enrollment_id]
        except KeyError:
            raise EnrollmentNotFound(f"there is no enrollment {enrollment_id!r}") from None

    def request(self, request_id: str) -> RequestRow:
        """The sync request's row, or `RequestNotFound`."""
        try:
            return self.requests[request_id]
        except KeyError:
            raise RequestNotFound(f"there is no sync request {request_id!r}") from None

    def batches(self, parent_id: str) -> list[RequestRow]:
        """The batches of a parent, in order."""
        rows = [row for row in self.requests.values() if row.request.parent_id == parent_id]
        return sorted(rows, key=lambda row: row.request.current_batch or 0)

    def note_act(self, act: Act | None) -> None:
        """Keep the act, if there is one."""
        if act is not None:
            self.acts.append(AuditEntry(random_id(), act))

    def next_revision(self) -> int:
        """Use up one revision."""
        self.head = replace(self.head, revision=self.head.revision + 1)
        return self.head.revision

    def feed_rows(self, feed: Feed) -> list[FeedRow]:
        """The feed, in revision order."""
        rows = [record_row(record) for record in self.records.values() if (record.scope, record.bucket) == feed]
        rows.extend(self.departures.get(feed, {}).values())
        return sorted(rows)

    def rows_of(self, item: ItemName, feeds: set[Feed]) -> list[tuple[Feed, FeedRow]]:
        """What these feeds hold under one key, newest first; before its departures, the record itself."""
        found = [(feed, rows[item]) for feed, rows in self.departures.items() if feed in feeds and item in rows]
        found.sort(key=lambda place: place[1].revision, reverse=True)
        record = self.records.get(item)
        if record is not None and Feed(record.scope, record.bucket) in feeds:
            found.insert(0, (Feed(record.scope, record.bucket), record_row(record)))
        return found


class MemoryState:
    """The accounts, and the one lock that makes every method a transaction."""

    def __init__(self, max_rejections: int) -> None:
        self._lock = Lock()
        self._accounts: dict[str, AccountState] = {}
        self._secrets: dict[tuple[str, int], ServerSecret] = {}
        """By purpose and number."""
        self._max_rejections = max_rejections

    @contextmanager
    def _transaction(self, account_id: str) -> Iterator[AccountState]:
        """The account, for the caller alone. Check everything first, then change: nothing is rolled back."""
        check_text("account_id", account_id)
        with self._lock:
            account = self._accounts.get(account_id)
            if account is None:
                raise AccountNotFound(account_id)
            yield account


def record_row(record: Record) -> FeedRow:
    """The record as a row of its feed."""
    return FeedRow(
        revision=record.revision,
        entered_revision=record.entered_revision,
        frame=record.frame,
        object_type=record.object_type,
        key=record.key,
        modified_at=record.modified_at,
        trace_context=record.trace_context,
    )
