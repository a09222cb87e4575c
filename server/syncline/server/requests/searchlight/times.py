"""Times as they are written in filters: ISO 8601, or counted in days from now. All in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_SECOND: Final = 1_000_000
_DAY: Final = 24 * 3600 * _SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII | re.IGNORECASE)
_DAYS = re.compile(r"\d{1,6}", re.ASCII)
_WHOLE_DAYS: Final = {"TODAY": 0, "TOMORROW": 1, "YESTERDAY": -1}


def iso_time(text: str) -> int | None:
    """Microseconds since the epoch of a date, which is its midnight, or a time; None: it is neither.

    Without an offset it is UTC. What is finer than a microsecond is cut off.
    """
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since.days * _DAY + since.seconds * _SECOND + since.microseconds


def counted_time(word: str, sign: str, days: str, now: int) -> int | None:
    """Microseconds since the epoch of NOW or a midnight, with a number of days added; None: that is no number.

    Args:
        word: NOW, TODAY, TOMORROW or YESTERDAY, in any case.
        sign: `+` or `-`; empty: nothing is added.
        days: digits, or empty.
        now: what NOW is, in microseconds since the epoch.
    """
    if sign and not _DAYS.fullmatch(days):
        return None
    word = word.upper()
    start = now if word == "NOW" else now - now % _DAY + _WHOLE_DAYS[word] * _DAY
    return start + int(f"{sign}{days or 0}") * _DAY
