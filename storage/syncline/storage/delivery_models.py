"""What a store knows of one record on its way to one device: facts, without a conclusion.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from syncline.storage.models import Device, Feed, Head, Position, Rejection, Session
from syncline.storage.request_models import Detail, SyncRequest
from syncline.storage.upload_models import ChangeRefusal, Conflict


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """A record or its tombstone, without its data."""

    feed: Feed
    revision: int
    entered_revision: int
    deleted: bool
    modified_at: int
    written_by: UUID | None
    trace_context: str | None
    """The W3C context of what wrote it; None if that was not traced."""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """The device's rejection of the record."""

    rejection: Rejection
    refused_at: int
    """When the session began in which it was refused last; 0 if that is not known any more."""


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """The newest of the device's changes of the record that was rejected."""

    change_seq: int
    refusal: ChangeRefusal
    decided_at: int


@dataclass(frozen=True, slots=True)
class Bringer:
    """The newest request that reads from a source of records."""

    request: SyncRequest
    enrollment_name: str
    """The connected system; empty: the rows came with the request."""
    has_type: bool
    """Rows of the object type came with it or, of a connected system, ever before."""
    detail: Detail | None
    """What became of the row with the record's key, if it did not simply go through."""


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """All that bears on the delivery, as of one moment."""

    head: Head
    scope: str | None
    """Of the object type; None: the schema has no such type."""
    record: StandingRecord | None
    """None: there is none, nor a tombstone."""
    device: Device | None
    """None: it never registered."""
    departures: Mapping[Feed, int] = field(default_factory=dict)
    """The revisions at which the record left other feeds."""
    grants: Mapping[str, int] = field(default_factory=dict)
    """As of `DeviceStore.list_grants`."""
    positions: Mapping[Feed, Position] = field(default_factory=dict)
    """The device's, in the feeds of the record and its departures."""
    gc_floor: int = 0
    """Of the record's feed; 0: it has none."""
    session: Session | None = None
    """The device's newest, if it is kept still."""
    refused_item: RefusedItem | None = None
    refused_change: RefusedChange | None = None
    """Among the device's newest `RECENT_CHANGES`."""
    conflict: Conflict | None = None
    """The newest that a change of the device had over the record."""
    bringers: tuple[Bringer, ...] = ()
    """Newest first: of each enrollment the newest READ, and the newest READs without an enrollment. No batches, but
    their parents."""


RECENT_CHANGES = 10_000
"""How many of a device's numbers are looked through for a change that was rejected."""
RECENT_REQUESTS = 200
"""How many of an account's newest requests are looked through for those without an enrollment."""
