"""How long to wait before trying again, and when to give up."""

from __future__ import annotations

import random

from syncline.client.errors import SyncError

FIRST_DELAY_S = 0.2
DELAY_S_MAX = 10.0


class Backoff:
    """Delays that double from one attempt to the next, until something has worked."""

    def __init__(self, attempts_max: int) -> None:
        self._attempts_max = attempts_max
        self._attempts = 0

    def delay_after(self, error: SyncError) -> float:
        """After how many seconds to try again.

        Raises:
            SyncError: this one, if that was done `attempts_max` times in a row.
        """
        if self._attempts >= self._attempts_max:
            raise error
        delay_s = min(FIRST_DELAY_S * 2.0**self._attempts, DELAY_S_MAX)
        self._attempts += 1
        # Spread, because clients that lost the same server must not come back all at once.
        return max(random.uniform(delay_s / 2, delay_s), error.retry_after or 0.0)  # noqa: S311

    def reset(self) -> None:
        """Something has worked."""
        self._attempts = 0
