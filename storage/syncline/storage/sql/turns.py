"""A lock that is given to those who wait for it in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import perf_counter
from typing import Final

from syncline.data import metrics
from syncline.storage.errors import StoreUnavailable
from syncline.storage.instruments import histogram

LOCK_WAIT = histogram(metrics.STORE_LOCK_WAIT)
_PROCESS_LOCK: Final = {metrics.LOCK: "process"}


class Turns:
    """One at a time, first come, first served. A plain lock lets a busy thread take it again and again."""

    def __init__(self, wait_s_max: float) -> None:
        self._wait_s_max = wait_s_max
        self._guard = Lock()
        self._taken = False
        self._waiting: deque[Lock] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn and hold it for the block.

        Raises:
            StoreUnavailable: it took too long.
        """
        asked = perf_counter()
        try:
            self._enter()
        finally:
            LOCK_WAIT.record(perf_counter() - asked, _PROCESS_LOCK)
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            called = Lock()
            called.acquire()
            self._waiting.append(called)
        if called.acquire(timeout=self._wait_s_max):
            return
        with self._guard:
            if called in self._waiting:
                self._waiting.remove(called)
                raise StoreUnavailable("others have been writing for too long")
        # Called in the last moment: the turn is ours after all.

    def _leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
