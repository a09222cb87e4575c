"""What a synchronisation did, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline.data.changes import Operation, Verdict
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
class VerdictCounts:
    """How the changes of one object type were decided."""

    applied: int = 0
    merged: int = 0
    server_won: int = 0
    rejected: int = 0
    held: int = 0
    """Not decided, because they depend on one that was rejected; they wait on the device."""

    def count(self, verdict: Verdict) -> None:
        """Count one more."""
        setattr(self, verdict.value, getattr(self, verdict.value) + 1)

    def add(self, other: VerdictCounts) -> None:
        """Add another count to this one."""
        self.applied += other.applied
        self.merged += other.merged
        self.server_won += other.server_won
        self.rejected += other.rejected
        self.held += other.held

    def by_verdict(self) -> dict[Verdict, int]:
        """Those that are not 0."""
        counts = {verdict: getattr(self, verdict.value) for verdict in Verdict}
        return {verdict: number for verdict, number in counts.items() if number}


@dataclass(frozen=True, slots=True)
class RejectedChange:
    """A change that the server refused. It stays on the device, to be mended and sent again, or rolled back."""

    scope: str
    object_type: str
    key: str
    operation: Operation
    reason: str
    """A name of `syncline.v1.ErrorReason`."""
    message: str
    """Why, in words."""
    field: str
    """The field that breaks a rule; empty if none does."""


@dataclass(slots=True)
class UploadReport:
    """What became of the changes that went up."""

    counts: dict[str, VerdictCounts] = field(default_factory=dict)
    """By object type; types of which nothing went up are left out."""
    rejected: list[RejectedChange] = field(default_factory=list)
    batches: int = 0
    """Messages that were answered."""
    aborted: list[str] = field(default_factory=list)
    """Scopes whose upload ended with a rejected change, because their task says so."""

    def add(self, other: UploadReport) -> None:
        """Add what came later."""
        for object_type, each in other.counts.items():
            self.counts.setdefault(object_type, VerdictCounts()).add(each)
        self.rejected += other.rejected
        self.batches += other.batches
        self.aborted += other.aborted

    @property
    def verdicts(self) -> VerdictCounts:
        """The counts of all object types together."""
        total = VerdictCounts()
        for each in self.counts.values():
            total.add(each)
        return total

    @property
    def total(self) -> int:
        """How many changes were decided."""
        counts = self.verdicts
        return counts.applied + counts.merged + counts.server_won + counts.rejected


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
    upload: UploadReport = field(default_factory=UploadReport)
    """What went up before it."""

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
