"""One rate that each of many callers, or accounts, is held to by itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from syncline.server.admission.token_bucket import TokenBucket

_SWEEP_FIRST: Final = 10_000
"""So many buckets are kept before those that are full, which are as good as none, are dropped."""


class RateLimit:
    """A bucket for each key that has been used lately."""

    def __init__(self, rate: float, capacity: float, clock: Callable[[], float]) -> None:
        """`rate` is by the second."""
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._buckets: dict[Hashable, TokenBucket] = {}
        self._sweep_at = _SWEEP_FIRST

    def wait_for(self, key: Hashable, tokens: float) -> float:
        """In how many seconds the key may take so much; 0: now."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.wait_for(tokens, self._clock())

    def take(self, key: Hashable, tokens: float) -> None:
        """Take so much, be it on credit."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._capacity, now)
            self._sweep(now)
        bucket.take(tokens, now)

    def _sweep(self, now: float) -> None:
        if len(self._buckets) > self._sweep_at:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.is_full(now)}
            self._sweep_at = max(_SWEEP_FIRST, 2 * len(self._buckets))
