"""When a request that failed is tried again."""

from __future__ import annotations

import random
from typing import Final

_FIRST_US: Final = 1_000_000
_MOST_US: Final = 300 * 1_000_000


def retry_delay_us(failures_before: int) -> int:
    """How long to wait after a failure, in microseconds: any time up to 1 s, 2 s, 4 s … 5 minutes.

    Any time, and not about the longest one: what failed together would come together again.
    """
    longest = min(_MOST_US, _FIRST_US << min(failures_before, 20))
    return random.randint(0, longest)  # noqa: S311  no secret
