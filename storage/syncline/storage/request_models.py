"""Sync requests and app enrollments, as they go into a store and come out of it.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from syncline.storage.filters import FieldKind, Filter, Order
from syncline.storage.request_states import RequestStatus

RESULT_MESSAGE_CHARS_MAX: Final = 200
DETAILS_MAX: Final = 10_000
"""Details that are kept of one request; of the rest only the number."""
DETAIL_VALUE_CHARS_MAX: Final = 200
NEVER: Final = 253_402_300_799_999_999
"""When a parent is due that waits for its batches: the last microsecond that a date can tell of."""
EXTERNAL_CONNECTOR: Final = "external"
"""The connector of enrollments that workers outside serve: see `WorkStore.claim_request`."""


class Operation(Enum):
    """What a sync request does."""

    READ = "read"
    """Loads records from the connected system."""
    WRITE = "write"
    """Writes records that changed here to the connected system."""
    CHECK = "check"
    """Tests the connection."""


# App enrollments


@dataclass(frozen=True, slots=True)
class Schedule:
    """When requests of an enrollment are made by themselves. A store only keeps it: it knows no calendar."""

    cron: str
    """Five fields, as in a crontab."""
    time_zone: str
    """The IANA name; empty: UTC."""
    jitter_seconds: int
    """How much later than at its time a request is made, at most."""
    operation: Operation
    run_full_sync: bool


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One connected system of an account."""

    enrollment_id: str
    """A UUID in its usual text."""
    name: str
    """For people; unique in the account."""
    connector: str
    """The connector's name."""
    settings: str
    """A JSON object; its meaning is the connector's."""
    sealed_secrets: bytes
    """A JSON object, encrypted by the caller; empty: none."""
    enabled: bool
    created_at: int
    modified_at: int
    modified_by: str
    read_cursor: str = ""
    """Where the next delta READ goes on, as JSON; empty: at the beginning. Moved on when a READ succeeds."""
    write_cursor: str = ""
    """Likewise of WRITE."""
    schedule: Schedule | None = None
    """None: requests are made by those who ask only."""
    next_run_at: int = 0
    """When the schedule makes its next request; 0: it makes none."""
    scheduled_request_id: str = ""
    """The request that the schedule made last; empty: none."""


# Sync requests


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request has got; each number only grows within an attempt, and is kept over attempts."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0
    estimate: int = 0
    """Rows that there are to read; 0: not known."""


class PayloadState(Enum):
    """What has become of the payload that came with a request."""

    NONE = "none"
    """None came."""
    KEPT = "kept"
    GOING = "going"
    """It is being removed: what is there still is not all of it."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A sync request to make."""

    request_id: str
    """A UUID in its usual text, made by the caller."""
    idempotency_key: str
    """A second request with the same key is the first one again; empty: none."""
    payload_hash: bytes
    """Of all that the caller asked for: the same key with another hash is refused."""
    operation: Operation
    run_full_sync: bool
    enrollment_id: str | None
    """None: rows come with the request itself."""
    due_at: int
    by: str
    """Who asks."""
    parent_id: str | None = None
    """The request of all batches; with a parent go `current_batch` and `total_batches`."""
    current_batch: int | None = None
    """1 for the first."""
    total_batches: int | None = None
    retry_of: str | None = None
    payload: Sequence[bytes] = ()
    """Chunks of an uploaded file, or of records given inline; each at most 1 MiB. It may be read from a disk chunk by
    chunk: a store iterates it, again if it tries again, and keeps no more of it at a time than it must."""
    payload_kind: str = ""
    """What the payload is, for the one who reads it: `zip` (`zip:skip`, `zip:error`) or `records`; empty: there is
    none."""
    trace_context: str | None = None
    """The W3C context of the span in which it is asked for, of which the run is a part; None if that is not sampled."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One sync request as it stands."""

    request_id: str
    status: RequestStatus
    operation: Operation
    result_message: str
    """At most 200 characters."""
    failure_count: int
    """Attempts that failed so far."""
    run_full_sync: bool
    enrollment_id: str | None
    created_at: int
    modified_at: int
    modified_by: str
    due_at: int
    """When it may be claimed: later than now after a failed attempt. `NEVER`: a parent that waits for its batches, or
    ended with them."""
    cancel_asked: bool
    """Somebody cancelled it while it was in progress."""
    progress: Progress
    detail_count: int
    """Details that are kept."""
    details_left_out: int
    """Details beyond `DETAILS_MAX`."""
    cursor: str
    """The connector's, as JSON, as of the last committed batch; empty: at the beginning."""
    lease_until: int
    """IN_PROGRESS: until when; else 0."""
    worker: str
    """IN_PROGRESS: who holds the lease; else empty."""
    parent_id: str | None
    current_batch: int | None
    total_batches: int | None
    retry_of: str | None
    payload_kind: str
    attempts: int = 0
    """How often it was claimed so far."""
    payload_state: PayloadState = PayloadState.NONE
    trace_context: str | None = None
    """As of `NewRequest`; of a parent, that of its first batch."""

    @property
    def is_parent(self) -> bool:
        """Does it stand for batches?"""
        return self.parent_id is None and self.total_batches is not None


@dataclass(frozen=True, slots=True)
class LastRuns:
    """The newest requests of an enrollment. Batches count as their parent; one that only checks does not count."""

    last: SyncRequest | None = None
    last_successful: SyncRequest | None = None


REQUEST_FIELDS: Final[Mapping[str, FieldKind]] = MappingProxyType(
    {
        "request_id": FieldKind.TEXT,
        "status": FieldKind.TEXT,
        "operation": FieldKind.TEXT,
        "result_message": FieldKind.TEXT,
        "failure_count": FieldKind.INTEGER,
        "run_full_sync": FieldKind.BOOLEAN,
        "enrollment_id": FieldKind.TEXT,
        "created_at": FieldKind.TIME,
        "modified_at": FieldKind.TIME,
        "modified_by": FieldKind.TEXT,
        "due_at": FieldKind.TIME,
        "parent_id": FieldKind.TEXT,
        "current_batch": FieldKind.INTEGER,
        "total_batches": FieldKind.INTEGER,
        "retry_of": FieldKind.TEXT,
        "rows_read": FieldKind.INTEGER,
        "rows_inserted": FieldKind.INTEGER,
        "rows_updated": FieldKind.INTEGER,
        "rows_deleted": FieldKind.INTEGER,
        "rows_skipped": FieldKind.INTEGER,
        "rows_failed": FieldKind.INTEGER,
    }
)
"""What requests are filtered and ordered by. The `rows_` are those of `Progress`."""


@dataclass(frozen=True, slots=True)
class RequestQuery:
    """One page of a list of requests."""

    filter: Filter | None = None
    order: tuple[Order, ...] = (Order("created_at", descending=True),)
    """The request's id comes last, ascending, so that the order is total."""
    after: tuple[str | int | bool | None, ...] | None = None
    """The values of the last row of the page before: one for each field of `order`, then the id."""
    limit: int = 250


class Severity(Enum):
    """What a detail says."""

    ERROR = "error"
    """The row was not written."""
    SKIP = "skip"
    """The row was left alone, though it differs."""


class Detail(NamedTuple):
    """What became of one row that did not simply go through."""

    severity: Severity
    object_type: str
    line: int
    """In the file, from 1; 0: it has none."""
    source_key: str
    """Empty: it is not known."""
    field: str
    """Empty: it is about the whole row."""
    reason: str
    value: str
    """What offends, cut to `DETAIL_VALUE_CHARS_MAX` characters."""


class TypeCounts(NamedTuple):
    """What came of one object type's rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class DetailPage:
    """Some of a request's details, in the order in which they came."""

    details: tuple[tuple[int, Detail], ...]
    """Each with its number in the request, from 1."""
    next_after: int
    """What to ask for next; 0: this was the last page."""


# Running them


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to run one request, until another one gets it."""

    account_id: str
    request_id: str
    token: int
    """Made anew with each claim. Whoever holds another one is refused (G11)."""
    attempt: int
    """1 for the first."""
    trace_context: str | None = None
    """That of the request."""


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """How many requests may be in progress at a time."""

    per_account: int
    """Of one enrollment there is never more than one."""


class OnMatch(Enum):
    """What happens to a row whose record is there already."""

    UPDATE = "update"
    SKIP = "skip"
    ERROR = "error"


class SourceRow(NamedTuple):
    """One row of the connected system, and the record that it is. A tuple: millions of them are made."""

    object_type: str
    record_key: str
    source_key: str
    """What the connected system knows it by."""
    source_hash: bytes
    """Of the row as it came: equal means that the source has not changed it."""
    image: bytes
    """The record as canonical data: what a later row is compared with, field by field."""
    on_match: OnMatch


@dataclass(frozen=True, slots=True)
class RowBatch:
    """What one transaction of a running request writes."""

    number: int
    """From 1 in each attempt; the one that was committed last may be repeated, and then does nothing (G11)."""
    rows: tuple[SourceRow, ...]
    deleted_keys: tuple[tuple[str, str], ...]
    """Object type and source key of rows that the source says are gone."""
    details: tuple[Detail, ...]
    """Of rows that the worker itself refused; the store adds those of `OnMatch.ERROR`."""
    failed: Mapping[str, int]
    """Rows that the worker refused, by object type: as many as, or more than, `details` tells of."""
    cursor: str
    """Where to go on after this batch."""
    read: int
    """Rows read since the batch before."""
    bytes: int
    """Bytes read since the batch before."""
    estimate: int
    now: int


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What a batch came to."""

    cancel_asked: bool
    """The worker is to end the request as CANCELLED."""
    lease_until: int
    head_revision: int
    written: bool
    """Records were written: devices have something to read."""
    progress: Progress
    """Of the request, this batch included."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one step of a sweep came to."""

    left: int
    """Sources that are still to be deleted."""
    result: BatchResult


class Ending(Enum):
    """How a worker ends its attempt."""

    SUCCESS = "success"
    FAILED = "failed"
    """For good: a repeat would fail likewise."""
    CANCELLED = "cancelled"
    TRY_AGAIN = "try_again"
    """A failed attempt: back to READY, to be due again at a given time."""
    GIVEN_BACK = "given_back"
    """Likewise back, but it is no failure of the request: its worker stops."""
