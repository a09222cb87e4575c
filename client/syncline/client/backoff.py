"""How long to wait before trying again, and when to give up."""

from __future__ import annotations

import random

from syncline.client.errors import SyncError

FIRST_DELAY_S = 0.2
DELAY_S_MAX = 10.0
TOLD_S_MAX = 120.0
"""Whoever is told to come back later than this is not made to wait for it."""
TOLD_SPREAD = 0.25
"""By how much of it, at most, a time that the server told is lengthened."""


CALL_PATIENCE_S = 5.0
"""So long in all a single call waits for limits. It cannot be stopped meanwhile; a run waits for what takes longer."""


def _spread(told_s: float) -> float:
    """A time that the server told, differently for each client: they must not come back all at once."""
    return told_s * random.uniform(1.0, 1.0 + TOLD_SPREAD)  # noqa: S311


class CallPatience:
    """How long a single call waits for limits that pass. It was refused before anything was done."""

    def __init__(self) -> None:
        self._left_s = CALL_PATIENCE_S
        self._delay_s = FIRST_DELAY_S

    def delay_after(self, error: SyncError) -> float:
        """After how many seconds to make the call again.

        Raises:
            SyncError: this one, if the server does not say when, or not soon.
        """
        if error.retry_after is None:
            raise error
        # What is told is when the next call may be made; many may be told the same. So it is doubled each time, too.
        delay_s = max(_spread(error.retry_after), random.uniform(self._delay_s / 2, self._delay_s))  # noqa: S311
        self._delay_s *= 2
        self._left_s -= delay_s
        if self._left_s < 0:
            raise error
        return delay_s


class Backoff:
    """Delays that double from one attempt to the next, until something has worked."""

    def __init__(self, attempts_max: int) -> None:
        self._attempts_max = attempts_max
        self._attempts = 0

    def delay_after(self, error: SyncError) -> float:
        """After how many seconds to try again.

        Raises:
            SyncError: this one, if that was done `attempts_max` times in a row, or the server wants to be asked after
                more than `TOLD_S_MAX`. A note says so.
        """
        told_s = error.retry_after or 0.0
        if self._attempts >= self._attempts_max:
            error.add_note(f"It has failed {self._attempts + 1} times in a row.")
            raise error
        if told_s > TOLD_S_MAX:
            error.add_note(f"The server wants to be asked again in {told_s:,.0f} s, not before.")
            raise error
        delay_s = min(FIRST_DELAY_S * 2.0**self._attempts, DELAY_S_MAX)
        self._attempts += 1
        # Spread, because clients that lost the same server must not come back all at once.
        return max(random.uniform(delay_s / 2, delay_s), _spread(told_s))  # noqa: S311

    def reset(self) -> None:
        """Something has worked."""
        self._attempts = 0
