"""What goes into a store and what comes out of it. Frozen, plain, without a database's types.

All times are integers: microseconds since the Unix epoch, UTC. All revisions are integers above 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple
from uuid import UUID


class Feed(NamedTuple):
    """The records of one scope in one bucket, in revision order."""

    scope: str
    bucket: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where an account's history stands."""

    revision: int
    """The newest revision; 0 if nothing was ever written."""
    store_epoch: int
    """The identity of the history; changes when an older backup is restored."""


# Writing records


class RecordWrite(NamedTuple):
    """One record to store, or to delete. A tuple, because millions of them are made."""

    object_type: str
    key: str
    frame: bytes | None
    """The encoded frame as devices will get it, opaque to the store. None: delete the record."""
    data_hash: bytes
    """A hash of the record's canonical data: equal means unchanged. Empty for a delete."""
    modified_at: int
    bucket: str | None = None
    """The bucket to put it into. None: where it is, or the default bucket if it is new."""


class WriteOutcome(Enum):
    """What one write came to."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    """The record already was like this, or a record to delete was not there: no revision was used."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a batch of writes came to, in the order of the writes."""

    head_revision: int
    outcomes: tuple[WriteOutcome, ...]
    revisions: tuple[int, ...]
    """The record's revision after the write; 0 where nothing is there."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands, or its tombstone."""

    object_type: str
    key: str
    scope: str
    bucket: str
    revision: int
    entered_revision: int
    """The revision at which it last came to life in this bucket."""
    frame: bytes | None
    """None: deleted."""
    data_hash: bytes
    modified_at: int
    created_by: bytes = b""
    """The `change_uuid` of the change that created it; empty if no device did."""
    written_by: UUID | None = None
    """The device whose change wrote it last; None if no device did."""
    trace_context: str | None = None
    """The W3C context of the span in which it was written last; None if that was not sampled."""


# Devices, grants, positions


class DeviceState(Enum):
    """May the device go on from where it is?"""

    ACTIVE = "active"
    EXPIRED = "expired"
    """Not seen for too long: tombstones may have gone without it. Only a full resync makes it active."""


class DeviceAccess(Enum):
    """What the account's people decided about the device."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    """Every call of it is refused; it goes on where it stood once it is enabled again."""
    WIPING = "wiping"
    """It is to remove its copy, and is told so with its next call."""
    WIPED = "wiped"
    """It has said that its copy is gone. A backup of it that comes back is told to go, too."""


@dataclass(frozen=True, slots=True)
class Device:
    """One replica of the account."""

    device_uuid: UUID
    state: DeviceState
    created_at: int
    last_contact: int
    stream_id: int
    """The newest stream that the device opened; 0 before the first."""
    session_id: str
    """The newest session; empty before the first."""
    client: str
    """What it said of itself: name, version and platform in one line."""
    upload_stream_id: int = 0
    """The newest upload stream that the device opened; 0 before the first."""
    next_change_seq: int = 1
    """The lowest number that no change of the device was ever decided under."""
    settled_through: int = 0
    """Up to where the device has told that it stored the verdicts of its changes."""
    principal: str = ""
    """Who it belongs to: the first who used it. Empty: nobody has since devices belong to somebody."""
    access: DeviceAccess = DeviceAccess.ENABLED
    upload_first: bool = False
    """To be wiped: what it has not sent is taken before."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A device and how far it is."""

    device: Device
    lag: int
    """From what it has passed to the newest row of the feed, in revisions: of its feeds the worst one counts."""
    holes: int
    """Gaps before intervals that are acknowledged beyond `acked_through`, in all feeds."""
    refused: int
    """Items that it refused, and that are sent again in its next session."""
    parked: int
    """Items that it refused too often."""


@dataclass(frozen=True, slots=True)
class ServerSecret:
    """A secret that all servers of the store know."""

    number: int
    """By which it is named; the newest of its purpose has the highest."""
    secret: bytes = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class Interval:
    """The revisions above `above` up to and including `through`."""

    above: int
    through: int


@dataclass(frozen=True, slots=True)
class Told:
    """A position as a device told it: it has stored everything of the feed up to `revision`."""

    feed: Feed
    store_epoch: int
    grant_id: int
    load_id: int
    epoch: int
    revision: int


@dataclass(frozen=True, slots=True)
class Position:
    """How far a device has got in one feed, as the server keeps it."""

    feed: Feed
    grant_id: int
    load_id: int
    head_at_start: int
    """The head when this load began: what was deleted up to there was never part of the load. 0: unknown."""
    epoch: int
    """Random, never reused. An acknowledgement that names another one is stale."""
    acked_through: int
    """Everything of the feed up to here is acknowledged."""
    acked_beyond: tuple[Interval, ...]
    """What is acknowledged beyond it: disjoint, ascending, not touching each other."""


# The queue


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that a device cannot take."""

    object_type: str
    key: str
    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused item as the server keeps it, to send it again by its key."""

    object_type: str
    key: str
    revision: int
    reason: str
    count: int
    """In how many sessions it was refused at this revision."""
    parked: bool
    """Refused too often: not sent again until it changes or is put back."""


@dataclass(frozen=True, slots=True)
class OpenQueue:
    """What a device asks for when it starts a session."""

    scopes: tuple[str, ...]
    """Empty: all of the account's schema."""
    buckets: dict[str, frozenset[str]]
    """Wanted buckets by scope. A scope without an entry gets all granted buckets."""
    told: tuple[Told, ...]
    """Positions that the device has stored; empty for clients that store none."""
    refused: tuple[Refusal, ...]
    full_resync: bool
    always: bool
    client: str
    now: int
    expire_at: int
    """When the session ends, if it is not used."""


@dataclass(frozen=True, slots=True)
class SessionFeed:
    """One feed of a session, and where reading of it starts."""

    position: Position
    start: int
    """Items above this revision are to be read. Those entered above it are `created` for the device."""


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far the FetchQueue calls of a session have got."""

    pages: int
    """How many pages were given out. Two calls that race for one page are told apart by it."""
    cursors: dict[Feed, int]
    """Up to where each feed was given out; a feed that is missing stands at its start."""
    redelivered_after: tuple[str, str] | None
    """Refused items are given out up to this (object type, key); None: all of them are."""


@dataclass(frozen=True, slots=True)
class Session:
    """One synchronisation run of a device."""

    session_id: str
    device_uuid: UUID
    created_at: int
    expire_at: int
    feeds: tuple[SessionFeed, ...]
    skip_acked: bool
    """The device told no positions: what is acknowledged beyond a feed's start is not sent again."""
    total_count: int
    total_is_estimate: bool
    fetched: FetchProgress


@dataclass(frozen=True, slots=True)
class QueueOpened:
    """The answer to OpenQueue."""

    head: Head
    session: Session | None
    """None: nothing new. The device's copy equals the server's view at `head`."""
    feeds: tuple[SessionFeed, ...]
    """Every feed that is served."""
    rejections: tuple[Rejection, ...]
    """What the device lacks because it refused it."""
    next_change_seq: int
    """As of `Device`."""
    settled_through: int
    """As of `Device`."""


class EventType(IntEnum):
    """What happened to a record, as a device should see it; the numbers are the contract's."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3


class FeedItem(NamedTuple):
    """One item of a feed. A tuple: millions of them are made."""

    revision: int
    event_type: int
    """A value of EventType; a plain integer, because making members costs more than the row."""
    frame: bytes | None
    """None: deleted, or it left the bucket."""
    object_type: str
    key: str
    modified_at: int
    trace_context: str | None = None
    """As of `Record`; None if it left the bucket."""


@dataclass(frozen=True, slots=True)
class FeedSlice:
    """What a read found in one feed: everything above `above` up to and including the read's `through`."""

    feed: Feed
    above: int
    items: tuple[FeedItem, ...]
    """In revision order."""


@dataclass(frozen=True, slots=True)
class Redelivered:
    """A refused item, once more."""

    feed: Feed
    item: FeedItem


@dataclass(frozen=True, slots=True)
class QueueRead:
    """What one snapshot showed."""

    head: Head
    through: int
    """Every feed was read up to this revision; it is the head's if `complete`."""
    complete: bool
    """Nothing was cut off: a device that stores all of this stands at a checkpoint at `head`."""
    slices: tuple[FeedSlice, ...]
    """One per feed of the session that has items or moved, in the order of the session's feeds."""
    redelivered: tuple[Redelivered, ...]
    rejections: tuple[Rejection, ...]
    """What the device lacks because it refused it."""


# Acknowledging


@dataclass(frozen=True, slots=True)
class AckInterval:
    """An acknowledgement of everything in one feed above `above` through `through`, of one position epoch."""

    epoch: int
    above: int
    through: int


@dataclass(frozen=True, slots=True)
class AckRedelivered:
    """An acknowledgement of a refused item that was sent again."""

    digest: int
    """`item_digest` of its object type and key."""
    revision: int


@dataclass(frozen=True, slots=True)
class AckOutcome:
    """What an Acknowledge came to. Intervals and redelivered items count each on their own."""

    taken: tuple[bool, ...]
    """Per interval: did it tell anything new?"""
    redelivered_taken: tuple[bool, ...]
    refusals_taken: tuple[bool, ...]
    rejections: tuple[Rejection, ...]
    """How the refused items of the call stand now, one each for those that were taken."""


# Reconciling


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A range of one object type's keys, by code point."""

    after_key: str | None
    """The keys above; None: from the first."""
    through_key: str | None
    """Up to and including; None: to the last."""


class RangeEntry(NamedTuple):
    """A record of a range."""

    key: str
    revision: int
    data_hash: bytes
    """Empty: a tombstone or departure above the revision that the device knows."""


@dataclass(frozen=True, slots=True)
class RangeRows:
    """What stands in a range."""

    entries: tuple[RangeEntry, ...]
    """By key."""
    cut: bool
    """There is more beyond the last entry."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed."""

    tombstones: int
    departures: int
    devices_expired: int
    sessions_ended: int
    receipts: int = 0
    conflicts: int = 0
