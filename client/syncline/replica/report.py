"""What a synchronisation did, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline.replica.refusals import Refusal


@dataclass(slots=True)
class TypeCounts:
    """What happened to the records of one object type."""

    received: int = 0
    """Items that came; more than the sum of the others if some were outdated on arrival."""
    inserted: int = 0
    updated: int = 0
    """Rows written anew, be it with what they held before, as in a full resync."""
    deleted: int = 0
    """Rows deleted, by a delete or because the record is not in a granted bucket any more."""
    rejected: int = 0

    def add(self, other: TypeCounts) -> None:
        """Add another count to this one."""
        self.received += other.received
        self.inserted += other.inserted
        self.updated += other.updated
        self.deleted += other.deleted
        self.rejected += other.rejected


Counts = dict[str, TypeCounts]
"""By object type."""


@dataclass(slots=True)
class SyncReport:
    """What was done up to a checkpoint."""

    counts: Counts = field(default_factory=dict)
    """By object type; types of which nothing came are left out."""
    pages: int = 0
    checkpoint_revision: int = 0
    """The account's head that the device's copy equals now."""
    nothing_new: bool = False
    """The server had nothing to send: no page was transferred."""
    resyncs: int = 0
    """How often the server asked for feeds to be loaded from their beginning."""
    failed: tuple[Refusal, ...] = ()
    """Items that the device lacks because it refused them, now or before."""

    def add(self, counts: Counts) -> None:
        """Add what a page or a checkpoint came to."""
        for object_type, each in counts.items():
            self.counts.setdefault(object_type, TypeCounts()).add(each)

    @property
    def total(self) -> TypeCounts:
        """The counts of all object types together."""
        total = TypeCounts()
        for each in self.counts.values():
            total.add(each)
        return total


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the download is; told after each page."""

    received: int
    """Items received since the last checkpoint."""
    left: int
    """About how many items are still to come."""
    pages: int
    """Pages received since the last checkpoint."""
