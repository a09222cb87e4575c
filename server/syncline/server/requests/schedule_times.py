"""When the schedule of an enrollment comes round, as a pure function.

Where clocks are changed, the rules are those of Debian's cron. A schedule for certain hours runs once for each time
that its clock shows: of an hour that comes twice, only in the first; what falls into an hour that is left out, right
after it. One for every hour or every few minutes (minute or hour begin with `*`) simply runs on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import blake2b
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from syncline.storage.request_models import Schedule

_FIELDS: Final = ("minute", "hour", "day-of-month", "month", "day-of-week")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND_US: Final = 1_000_000
_ZONES_OF_THE_MACHINE: Final = frozenset({"localtime", "posixrules"})
"""Names that mean something else on each server."""


class CronInvalid(Exception):
    """A schedule's cron expression cannot be read; the message says which part of it."""


class TimeZoneUnknown(Exception):
    """There is no such time zone here."""


def next_run_us(schedule: Schedule, enrollment_id: str, after_us: int) -> int:
    """When the schedule makes its first request after a time; 0: it makes none within 50 years.

    That is one of its times, plus a jitter that depends on nothing but the enrollment and this time, so that all
    servers come to the same. It stays below the schedule's, and before the next time.

    Raises:
        CronInvalid: the expression is not one of five sound fields.
        TimeZoneUnknown: there is no such time zone here.
    """
    jitter_us = schedule.jitter_seconds * _SECOND_US
    # The jitter of a time before may still end after it.
    times = _times(schedule.cron, _zone(schedule.time_zone), after_us - jitter_us - _SECOND_US)
    for time_us, following_us in pairwise(times):
        run_us = time_us + _jitter(enrollment_id, time_us, min(jitter_us, following_us - time_us - 1))
        if run_us > after_us:
            return run_us
    return 0


def _times(cron: str, zone: tzinfo, after_us: int) -> Iterator[int]:
    """The times from then on, ascending. The first few may be earlier: a clock that was put back shows a time twice."""
    parts = cron.split()
    if len(parts) != len(_FIELDS):
        raise CronInvalid(f"must have five fields (minute, hour, day of month, month, day of week), not {len(parts)}")
    try:
        found = CronSim(cron, (_EPOCH + after_us * _MICROSECOND).astimezone(zone))
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        raise CronInvalid(f"the {name} is wrong: {parts[_FIELDS.index(name)]!r}") from error
    return ((time - _EPOCH) // _MICROSECOND for time in found)


def _jitter(enrollment_id: str, time_us: int, most_us: int) -> int:
    """From 0 to the most that is allowed."""
    digest = blake2b(f"{enrollment_id} {time_us}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % (most_us + 1)


def _zone(name: str) -> tzinfo:
    if not name:
        return UTC
    unknown = TimeZoneUnknown(f"there is no time zone {name!r} here; an IANA name is such as Europe/Berlin")
    if name in _ZONES_OF_THE_MACHINE:
        raise unknown
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # none of this name; no name at all; a folder of names
        raise unknown from error
