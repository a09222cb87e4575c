"""The life of a sync request: its states and the only moves between them (G11).

| from | to | when |
|---|---|---|
| READY | CONNECTOR | it is due, and complete |
| READY, CONNECTOR | CANCELLED | somebody cancels it |
| CONNECTOR | IN_PROGRESS | a worker claims it |
| IN_PROGRESS | READY | the attempt failed or its lease ran out, and another one follows |
| IN_PROGRESS | SUCCESS, FAILED | the worker ends it; FAILED as well when no attempt is left |
| IN_PROGRESS | CANCELLED | the worker heard that it is cancelled, or its lease ran out after that |
| READY | SUCCESS, FAILED | a parent, when the last of its batches has ended, unless it has to sweep |

A parent waits in READY, due never, for its batches. That of a full READ is due once all of them have succeeded, and
goes the way of every request: its run deletes what none of them saw.

A request ends once: nothing leads out of SUCCESS, FAILED and CANCELLED.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class RequestStatus(Enum):
    """Where a sync request is in its life."""

    READY = "ready"
    """Not due yet, or, a parent, waiting for its batches."""
    CONNECTOR = "connector"
    """Due; waits for a worker."""
    IN_PROGRESS = "in_progress"
    """Leased to a worker."""
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Has it ended?"""
        return not MOVES[self]


MOVES: Final[Mapping[RequestStatus, frozenset[RequestStatus]]] = {
    RequestStatus.READY: frozenset(
        {RequestStatus.CONNECTOR, RequestStatus.CANCELLED, RequestStatus.SUCCESS, RequestStatus.FAILED}
    ),
    RequestStatus.CONNECTOR: frozenset({RequestStatus.IN_PROGRESS, RequestStatus.CANCELLED}),
    RequestStatus.IN_PROGRESS: frozenset(
        {RequestStatus.READY, RequestStatus.SUCCESS, RequestStatus.FAILED, RequestStatus.CANCELLED}
    ),
    RequestStatus.SUCCESS: frozenset(),
    RequestStatus.FAILED: frozenset(),
    RequestStatus.CANCELLED: frozenset(),
}


def may_move(before: RequestStatus, after: RequestStatus) -> bool:
    """Is this a move of the table?"""
    return after in MOVES[before]
