"""How a sync request is watched: what was seen, and when to ask again after a connection broke."""

from __future__ import annotations

import time

from syncline.client.backoff import Backoff
from syncline.client.errors import ConnectionLost, DeadlineExceeded, SyncError
from syncline.client.request_messages import sync_request_from
from syncline.client.request_models import SyncRequest
from syncline.v1 import sync_request_pb2


class Watching:
    """One watch of one request, over any number of calls."""

    def __init__(self, attempts_max: int, timeout_s: float | None) -> None:
        self._backoff = Backoff(attempts_max)
        self._end = None if timeout_s is None else time.monotonic() + timeout_s
        self._last: SyncRequest | None = None

    @property
    def ended(self) -> bool:
        """Has the request ended, as far as is known?"""
        return self._last is not None and self._last.status.is_final

    @property
    def outcome(self) -> SyncRequest:
        """The final state; there is one once a watch is over."""
        if self._last is None:
            raise ConnectionLost("nothing was heard of the sync request")
        return self._last

    def left_s(self) -> float | None:
        """How long the next call may take; None: as long as it likes."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    def received(self, message: sync_request_pb2.SyncRequest) -> SyncRequest | None:
        """The request as it stands; None if that was seen: each call begins with it."""
        self._backoff.reset()
        request = sync_request_from(message)
        if request == self._last:
            return None
        self._last = request
        return request

    def broken_off(self) -> SyncError:
        """The server ended the stream before the request did."""
        return ConnectionLost("the server ended the stream before the sync request has ended")

    def delay_after(self, error: SyncError) -> float:
        """After how many seconds to ask again.

        Raises:
            SyncError: this one, if asking again is of no use.
            DeadlineExceeded: the time is over.
        """
        if not error.transient:
            raise error
        delay_s = self._backoff.delay_after(error)
        left_s = self.left_s()
        if left_s is not None and delay_s >= left_s:
            raise DeadlineExceeded("the sync request has not ended in time") from error
        return delay_s
