"""Sync requests and app enrollments, as an application sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from syncline.data.schema import ObjectType

Id = UUID | str
"""A UUID, as an object or as text."""


class SyncRequestStatus(Enum):
    """Where a sync request is in its life. It ends once: in SUCCESS, FAILED or CANCELLED."""

    UNKNOWN = "unknown"
    """One that this version does not know."""
    READY = "ready"
    """Not due yet, or, a parent, waiting for its batches. That of a full READ runs once all of them have succeeded, and
    deletes what none of them had."""
    CONNECTOR = "connector"
    """Due; waits for a worker."""
    IN_PROGRESS = "in_progress"
    """A worker has it."""
    CANCELLED = "cancelled"
    """Somebody cancelled it. What was committed before stays."""
    FAILED = "failed"
    """It ended, and will not be tried again by itself. What was committed before stays."""
    SUCCESS = "success"
    """All of it is done."""

    @property
    def is_final(self) -> bool:
        """Has it ended?"""
        return self in (SyncRequestStatus.SUCCESS, SyncRequestStatus.FAILED, SyncRequestStatus.CANCELLED)


class SyncOperation(Enum):
    """What a sync request does."""

    UNKNOWN = "unknown"
    """One that this version does not know. Not to be asked for."""
    READ = "read"
    """Loads records from the connected system."""
    WRITE = "write"
    """Writes records that changed here to the connected system."""
    CHECK = "check"
    """Tests the connection."""


class OnMatch(Enum):
    """What happens to a row whose record is there already."""

    UPDATE = "update"
    """What the source changed is changed."""
    SKIP = "skip"
    """It is left alone."""
    ERROR = "error"
    """The row fails."""


class DetailSeverity(Enum):
    """What happened to a row."""

    UNKNOWN = "unknown"
    """Something that this version does not know."""
    ERROR = "error"
    """It was not taken."""
    SKIP = "skip"
    """It was left alone, though it differs."""


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a sync request has got."""

    read: int = 0
    """Rows read."""
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    """Rows that changed nothing."""
    failed: int = 0
    """Rows that could not be taken."""
    bytes: int = 0
    """Bytes read."""
    estimate: int = 0
    """Rows that there are to read. 0: not known."""


@dataclass(frozen=True, slots=True)
class SyncTypeCounts:
    """What came of one object type's rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class SyncRequestSummary:
    """What came of the rows of a request that has ended."""

    object_types: Mapping[str, SyncTypeCounts]
    detail_count: int
    """Details that can be read, of this request."""
    details_left_out: int
    """Details beyond those that are kept."""
    batch_sync_request_ids: tuple[str, ...]
    """Of a parent: its batches, in order."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A job that moves data between a connected system and the account's records, as it stood when it was read."""

    sync_request_id: str
    account_id: str
    status: SyncRequestStatus
    operation: SyncOperation
    result_message: str
    """How it ended, or why the last attempt failed."""
    failure_count: int
    """Attempts that failed."""
    run_full_sync: bool
    """All of the source is read, and what it no longer has is deleted; else only what changed since the last run."""
    app_enrollment_id: str
    """The connected system. Empty: the rows came with the request."""
    created_at: datetime
    modified_at: datetime
    modified_by: str
    """Who made the last change: a principal, or the name of a worker."""
    due_at: datetime | None
    """When it may run: later than now after an attempt that failed. None: a parent that waits for its batches, or ended
    with them."""
    cancel_asked: bool
    """It is in progress, and somebody cancelled it."""
    parent_sync_request_id: str
    """Of one of several batches: the request that stands for all of them. Empty: it is none."""
    current_batch: int
    """Its number among them, from 1. 0: it is none."""
    total_batches: int
    """How many there are. Of a parent, too. 0: it is neither."""
    retry_of: str
    """The request that this one repeats. Empty: none."""
    progress: SyncProgress
    details: SyncRequestSummary | None
    """What came of the rows; only where it was asked for, and once the request has ended."""


@dataclass(frozen=True, slots=True)
class Detail:
    """What became of one row that did not simply go through."""

    number: int
    """Its place among the request's details, from 1."""
    severity: DetailSeverity
    object_type: str
    """Empty: it is not known."""
    line: int
    """Of the file, from 1. 0: it has none."""
    source_key: str
    """What the connected system knows the row by. Empty: it is not known."""
    field: str
    """Empty: it is about the whole row."""
    reason: str
    value: str
    """The offending value, cut to 200 characters."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a connected system, to be imported."""

    object_type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    """The record. Empty if `deleted`."""
    source_key: str = ""
    """What the connected system knows it by. Empty: the record's key."""
    on_match: OnMatch = OnMatch.UPDATE
    deleted: bool = False
    """The source no longer has it."""


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """Where an import belongs that is one of several batches."""

    parent_sync_request_id: Id
    """The request that stands for all batches: a UUID that the caller makes; the first batch to arrive makes it."""
    current_batch: int
    """From 1."""
    total_batches: int
    """The same in all batches."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When requests of an enrollment are made by themselves."""

    cron: str
    """Minute, hour, day of the month, month and day of the week, as in a crontab: `0 3 * * *`."""
    time_zone: str = ""
    """The IANA name of the time zone that it is read in. Empty: UTC."""
    jitter_seconds: int = 0
    """A request is made up to so much later, by chance. At most 3,600."""
    operation: SyncOperation = SyncOperation.READ
    run_full_sync: bool = False
    """All of the source is read each time; else only what changed since the last run."""


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One connected system of the account. `dataclasses.replace` makes what `update` is to store."""

    app_enrollment_id: str
    name: str
    """For people; unique in the account."""
    connector: str
    settings: Mapping[str, Any]
    """The connector's. No secrets."""
    disabled: bool
    """No new request runs while it is true."""
    created_at: datetime
    modified_at: datetime
    """Goes with an update, which is refused if somebody else came first."""
    modified_by: str
    secret_names: tuple[str, ...]
    """The secrets that it has. The secrets themselves are never answered."""
    schedule: Schedule | None = None
    """None: requests are made by those who ask only."""
    next_run_at: datetime | None = None
    """When the schedule makes its next request; None: it makes none. Only answered."""
    last_sync_request: SyncRequest | None = None
    """The newest request of it, by when it was made; a CHECK does not count. Only answered."""
    last_successful_sync_request: SyncRequest | None = None
    """Likewise the newest one that succeeded."""


@dataclass(frozen=True, slots=True)
class DiscoveredStream:
    """One of the things that a connected system has rows of, such as a table or a file."""

    name: str
    """What the system calls it."""
    object_type: ObjectType | None
    """What its rows would be if nobody had declared it. None: `note` says why they can be none."""
    selected: bool
    """READ takes its rows."""
    rows: int
    """How many there are. 0: not known."""
    note: str
    """What is left out of it, or why it has no object type."""


@dataclass(frozen=True, slots=True)
class Connector:
    """The code that talks to a kind of system."""

    name: str
    """What enrollments name it by."""
    description: str
    operations: tuple[str, ...]
    """What it can do: `read`, `write`, `check`."""
