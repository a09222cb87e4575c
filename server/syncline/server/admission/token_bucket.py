"""A token bucket: so much in the long run, and a burst of it at once."""

from __future__ import annotations

from typing import Final

_NOTHING: Final = 1e-9
"""Less than this part of a bucket is no shortage, but what adding up floats leaves."""


class TokenBucket:
    """Holds up to `capacity` tokens and gets `rate` of them a second. Times are seconds of any clock that goes on.

    In any span of time of t seconds at most capacity + rate x t tokens are taken by those who wait as they are told,
    but for what one taking is larger than the whole bucket: that waits for a full one, and leaves a debt.
    """

    __slots__ = ("_at", "_capacity", "_level", "_rate")

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._level = capacity
        self._at = now

    def wait_for(self, tokens: float, now: float) -> float:
        """In how many seconds so many tokens may be taken, if nobody else takes any; 0: now."""
        missing = min(tokens, self._capacity) - self._level_at(now)
        return missing / self._rate if missing > self._capacity * _NOTHING else 0.0

    def take(self, tokens: float, now: float) -> None:
        """Take them, be it on credit."""
        self._level = self._level_at(now) - tokens
        self._at = max(now, self._at)

    def is_full(self, now: float) -> bool:
        """Is it as good as new?"""
        return self._level_at(now) >= self._capacity

    def _level_at(self, now: float) -> float:
        return min(self._level + max(now - self._at, 0.0) * self._rate, self._capacity)
