"""What is counted of sync requests and their rows."""

from __future__ import annotations

from typing import Final

from syncline.data import metrics
from syncline.server.environment import now_us
from syncline.server.telemetry.instruments import counter, histogram
from syncline.storage.request_models import Ending, Progress, SyncRequest

_ENDED = counter(metrics.REQUESTS_ENDED)
_PICKUP = histogram(metrics.REQUESTS_PICKUP)
_RETRIES = counter(metrics.REQUESTS_RETRIES)
_ROWS = counter(metrics.CONNECTOR_ROWS)

_OUTCOMES: Final = ("read", "inserted", "updated", "deleted", "skipped", "failed")
"""Fields of `Progress`."""


def count_begun(request: SyncRequest) -> None:
    """A worker has claimed it just now."""
    _PICKUP.record(max(0, now_us() - request.due_at) / 1_000_000)


def count_attempt(request: SyncRequest, ending: Ending) -> None:
    """Its worker has ended an attempt; the request as it stands then."""
    if request.status.is_final:
        count_ended(request)
    elif ending is Ending.TRY_AGAIN:
        _RETRIES.add(1, {metrics.OPERATION: request.operation.value})


def count_ended(request: SyncRequest) -> None:
    """It has come to its end."""
    _ENDED.add(1, {metrics.OPERATION: request.operation.value, metrics.STATUS: request.status.value})


def count_rows(connector: str, before: Progress, after: Progress) -> None:
    """A step of a run has moved rows."""
    for outcome in _OUTCOMES:
        if rows := getattr(after, outcome) - getattr(before, outcome):
            _ROWS.add(rows, {metrics.CONNECTOR: connector, metrics.OUTCOME: outcome})
