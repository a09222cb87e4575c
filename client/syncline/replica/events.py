"""What a synchronisation tells while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from syncline.data.changes import Verdict


class Phase(Enum):
    """What has just happened."""

    SYNC_STARTED = "sync_started"
    UPLOAD_STARTED = "upload_started"
    UPLOAD_BATCH_SENT = "upload_batch_sent"
    UPLOAD_BATCH_DECIDED = "upload_batch_decided"
    """The verdicts of a message are stored."""
    UPLOAD_FINISHED = "upload_finished"
    DOWNLOAD_STARTED = "download_started"
    PAGE_STORED = "page_stored"
    CHECKPOINT = "checkpoint"
    SCOPE_ABORTED = "scope_aborted"
    """A change of the scope was rejected, and its task says to abort then."""
    RETRY = "retry"
    """A call failed, and is tried again."""
    SYNC_FINISHED = "sync_finished"
    SYNC_FAILED = "sync_failed"


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """One thing that happened. What its phase does not speak of has the default."""

    phase: Phase
    scope: str = ""
    """SCOPE_ABORTED: which."""
    scopes: Mapping[str, int] = field(default_factory=dict)
    """UPLOAD_BATCH_SENT and UPLOAD_BATCH_DECIDED: how many changes of each scope are in the message."""
    changes: int = 0
    """UPLOAD_STARTED: how many wait. UPLOAD_BATCH_*: how many are in the message. UPLOAD_FINISHED: how many were
    decided."""
    batches: int = 0
    """UPLOAD_BATCH_*: the message's number in this run. UPLOAD_FINISHED: how many messages there were."""
    verdicts: Mapping[Verdict, int] = field(default_factory=dict)
    """UPLOAD_BATCH_DECIDED: of the message; UPLOAD_FINISHED: of the run so far."""
    received: int = 0
    """PAGE_STORED and CHECKPOINT: items received since the last checkpoint."""
    left: int = 0
    """PAGE_STORED: about how many items are still to come."""
    pages: int = 0
    """PAGE_STORED and CHECKPOINT: pages received since the last checkpoint."""
    checkpoint_revision: int = 0
    """CHECKPOINT: the account's head that the device's copy equals now."""
    error: Exception | None = None
    """RETRY and SYNC_FAILED: why."""


OnEvent = Callable[[SyncEvent], None]
"""Called in the thread that does the work, outside of any transaction; in a watch two threads take turns calling it.

What it raises ends the run.
"""


def no_events(_: SyncEvent) -> None:
    """Nobody listens."""
