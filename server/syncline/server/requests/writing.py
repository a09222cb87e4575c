"""WRITE: records that changed here go to the connector. At least once: after a failure some come again.

What the enrollment's own READ brought is written back to it, too: a record does not tell who wrote it. Connectors
write by key, so that does no harm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from uuid import UUID

from syncline.server.requests.attempt import Attempt, RunFailed
from syncline.server.requests.change_feed import ChangeFeed
from syncline.server.requests.connectors.contract import ConnectorError, Outgoing
from syncline.server.requests.holding import NO_ROWS, HeldRequest


def write(attempt: Attempt) -> str:
    """Give the connector what changed since the cursor; answers the result message.

    Raises:
        ConnectorError: the rest cannot be written.
        RunStopped: the run is to end early. What was written stays.
        LeaseLost: somebody else has the request.
    """
    held = attempt.held
    if attempt.enrollment is None:
        raise RunFailed("there is no enrollment to write to")
    device_uuid = UUID(attempt.enrollment.enrollment_id)
    feed = ChangeFeed(attempt.store, attempt.account_id, device_uuid, attempt.job.cursor)
    records = _Records(held, feed)
    stored = attempt.connector.write(attempt.job, iter(records))
    counted = 0
    try:
        for revision in stored:
            done, contexts = records.done(revision)
            held.write(NO_ROWS, cursor=feed.cursor(revision), read=done - counted, made_in=contexts)
            counted = done
            held.check()
    finally:
        close = getattr(stored, "close", None)
        if close is not None:
            close()
    held.check()
    if not records.exhausted:
        raise ConnectorError("the connector stopped before the last record", for_good=False)
    done, contexts = records.done(feed.through)
    held.write(NO_ROWS, cursor=feed.cursor(feed.through), read=done - counted, made_in=contexts)
    return f"{held.progress.read:,} written"


class _Records:
    """Hands out what changed, and knows how much of it."""

    def __init__(self, held: HeldRequest, feed: ChangeFeed) -> None:
        self.exhausted = False
        self._held = held
        self._feed = feed
        self._waiting: deque[tuple[int, str | None]] = deque()
        """Revisions that are handed out but not stored, and where they were written."""
        self._done = 0

    def __iter__(self) -> Iterator[Outgoing]:
        for record, context in self._feed.records():
            if self._held.stopped():
                return  # the connector ends in order, with what it has
            self._waiting.append((record.revision, context))
            yield record
        self.exhausted = True

    def done(self, revision: int) -> tuple[int, Collection[str | None]]:
        """How many of the records are stored once all up to this revision are, and where those since were written."""
        contexts: dict[str | None, None] = {}
        while self._waiting and self._waiting[0][0] <= revision:
            _, context = self._waiting.popleft()
            contexts[context] = None
            self._done += 1
        return self._done, contexts
