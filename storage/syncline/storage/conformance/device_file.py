"""What a reference device has stored, what it owes the server, and what it was at a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline.storage.conformance.commit_log import ItemName
from syncline.storage.models import AckInterval, AckRedelivered, Feed, Head, Refusal, Told


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One record in the device's copy."""

    feed: Feed
    load_id: int
    store_epoch: int
    revision: int
    frame: bytes


@dataclass
class DeviceFile:
    """What the device has stored."""

    rows: dict[ItemName, HeldRow] = field(default_factory=dict)
    positions: dict[Feed, Told] = field(default_factory=dict)
    refused: dict[ItemName, Refusal] = field(default_factory=dict)

    def copy(self) -> DeviceFile:
        """A copy, as from a backup of the device."""
        return DeviceFile(dict(self.rows), dict(self.positions), dict(self.refused))


@dataclass
class Outbox:
    """What the device has to tell the server."""

    intervals: list[AckInterval] = field(default_factory=list)
    redelivered: list[AckRedelivered] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckpointCopy:
    """The device's copy as it was at a checkpoint."""

    head: Head
    feeds: frozenset[Feed]
    """The feeds that were served."""
    scopes: tuple[str, ...]
    """The scopes that the session was for; empty: all."""
    frames: dict[ItemName, bytes]
    """The copy: what it holds of the session's scopes."""
    refused: frozenset[ItemName]
    """What it lacks because it refused it."""
