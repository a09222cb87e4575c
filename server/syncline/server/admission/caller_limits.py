"""What one principal, and one account, may use of this server process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from syncline.server.admission.rate_limit import RateLimit
from syncline.server.config import Settings
from syncline.server.errors import OverLimit
from syncline.server.identity.caller import Caller

PACE_SECONDS_MAX: Final = 10.0
"""An upload that is too fast is held up for so long at most; whoever would have to wait longer is refused."""
CALLS_AT_ONCE: Final = 10.0
"""So many calls are always let in at once. A session takes several, and one that is refused in its middle begins anew:
with a smaller bucket no session would ever come to its end."""
STREAM_RETRY_SECONDS: Final = 2.0
"""When to come back for a stream: nobody knows when another one ends."""

_KeyOf = Callable[[Caller], Hashable]


def _principal(caller: Caller) -> Hashable:
    return (caller.account_id, caller.principal)


def _account(caller: Caller) -> Hashable:
    return caller.account_id


@dataclass(frozen=True, slots=True)
class _Rate:
    """A rate, and whom it is about."""

    subject: str
    description: str
    key_of: _KeyOf
    limit: RateLimit


@dataclass(frozen=True, slots=True)
class _Open:
    """How many may be open at a time, and how many are."""

    subject: str
    description: str
    key_of: _KeyOf
    limit: int
    open: Counter[Hashable]


class CallerLimits:
    """The limits of the settings. What has none costs nothing.

    They hold for this process: behind several servers, a caller has each one's share. The limits of a principal are
    weighed before those of its account, so that a refusal names the narrower one.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        burst = settings.calls_burst_seconds
        self._calls = [
            _Rate(f"{who}:calls", f"at most {rate:g} calls a second", key_of, _calls_limit(rate, burst, clock))
            for who, key_of, rate in (
                ("principal", _principal, settings.principal_calls_per_second),
                ("account", _account, settings.account_calls_per_second),
            )
            if rate
        ]
        self._uploads = [
            _Rate(
                f"{who}:upload_bytes", f"at most {count:,} bytes a minute", key_of, RateLimit(count / 60, count, clock)
            )
            for who, key_of, count in (
                ("principal", _principal, settings.principal_upload_bytes_per_minute),
                ("account", _account, settings.account_upload_bytes_per_minute),
            )
            if count
        ]
        self._streams = [
            _Open(f"{who}:streams", f"at most {limit:,} streams at a time", key_of, limit, Counter())
            for who, key_of, limit in (
                ("principal", _principal, settings.principal_streams),
                ("account", _account, settings.account_streams),
            )
            if limit
        ]

    def admit_call(self, caller: Caller) -> None:
        """Count a call.

        Raises:
            OverLimit: it is one too many; it does not count.
        """
        self._refuse_beyond(self._calls, caller, tokens=1, seconds_max=0.0)
        for rate in self._calls:
            rate.limit.take(rate.key_of(caller), 1)

    @contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """Count a stream for as long as the block lasts.

        Raises:
            OverLimit: it is one too many; it does not count.
        """
        for kind in self._streams:
            if kind.open[kind.key_of(caller)] >= kind.limit:
                raise OverLimit(kind.subject, kind.description, STREAM_RETRY_SECONDS)
        for kind in self._streams:
            kind.open[kind.key_of(caller)] += 1
        try:
            yield
        finally:
            for kind in self._streams:
                key = kind.key_of(caller)
                kind.open[key] -= 1
                if not kind.open[key]:
                    del kind.open[key]

    async def pace_upload(self, caller: Caller, size_bytes: int) -> None:
        """Count what came, and hold it up until it is the caller's turn: the network then holds up what is behind it.

        Raises:
            OverLimit: that would take longer than `PACE_SECONDS_MAX`; it does not count.
        """
        wait_s = self._refuse_beyond(self._uploads, caller, tokens=size_bytes, seconds_max=PACE_SECONDS_MAX)
        for rate in self._uploads:
            rate.limit.take(rate.key_of(caller), size_bytes)
        if wait_s:
            await asyncio.sleep(wait_s)

    def _refuse_beyond(self, rates: Sequence[_Rate], caller: Caller, *, tokens: float, seconds_max: float) -> float:
        """The longest wait of all rates; raise the limit behind it if it is too long."""
        longest, behind = 0.0, None
        for rate in rates:
            wait_s = rate.limit.wait_for(rate.key_of(caller), tokens)
            if wait_s > longest:
                longest, behind = wait_s, rate
        if behind is not None and longest > seconds_max:
            raise OverLimit(behind.subject, behind.description, longest)
        return longest


def _calls_limit(rate: float, burst_seconds: float, clock: Callable[[], float]) -> RateLimit:
    return RateLimit(rate, max(CALLS_AT_ONCE, rate * burst_seconds), clock)
