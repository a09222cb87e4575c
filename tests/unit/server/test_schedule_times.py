"""When schedules come round."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.server.requests.schedule_times import CronInvalid, TimeZoneUnknown, next_run_us
from syncline.storage.request_models import Operation, Schedule

ZONES = ("", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu", "Pacific/Auckland")
SECOND_US = 1_000_000
MINUTE = timedelta(minutes=1)
ID = "6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"

moments = st.integers(
    int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * SECOND_US,
    int(datetime(2030, 1, 1, tzinfo=UTC).timestamp()) * SECOND_US,
)
minutes = st.sets(st.integers(0, 59), min_size=1, max_size=3)
hours = st.one_of(st.none(), st.sets(st.integers(0, 23), min_size=1, max_size=3))
weekdays = st.one_of(st.none(), st.sets(st.integers(0, 6), min_size=1, max_size=3))
zones = st.sampled_from(ZONES)
jitters = st.sampled_from([0, 1, 59, 300, 3_600])


def field(values: set[int] | None) -> str:
    return "*" if values is None else ",".join(map(str, sorted(values)))


def schedule(cron: str, zone: str = "", jitter: int = 0) -> Schedule:
    return Schedule(cron, zone, jitter, Operation.READ, run_full_sync=False)


def moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // SECOND_US, UTC).replace(microsecond=us % SECOND_US)


def microseconds(local: str, zone: str, fold: int = 0) -> int:
    time = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(time.timestamp()) * SECOND_US


def runs(cron: str, zone: str, after: str, count: int) -> list[str]:
    """The next times, in UTC."""
    after_us, found = microseconds(after, zone), []
    for _ in range(count):
        after_us = next_run_us(schedule(cron, zone), ID, after_us)
        found.append(moment(after_us).strftime("%m-%d %H:%M"))
    return found


@given(minutes, hours, weekdays, zones, moments)
def test_it_is_the_first_time_that_the_clock_shows(
    of_minute: set[int], of_hour: set[int] | None, of_weekday: set[int] | None, zone: str, after_us: int
) -> None:
    cron = f"{field(of_minute)} {field(of_hour)} * * {field(of_weekday)}"
    run = moment(next_run_us(schedule(cron, zone), ID, after_us))
    assert run > moment(after_us)

    def is_time(time: datetime) -> bool:
        local = time.astimezone(ZoneInfo(zone or "UTC"))
        # An hour that comes twice counts once, an hour that is left out comes right after: see below.
        return (
            local.minute in of_minute
            and (of_hour is None or (local.hour in of_hour and local.fold == 0))
            and (of_weekday is None or local.isoweekday() % 7 in of_weekday)
        )

    time = moment(after_us).replace(second=0, microsecond=0) + MINUTE
    while time < run:
        assert not is_time(time), time
        time += MINUTE
    offsets = {at.astimezone(ZoneInfo(zone or "UTC")).utcoffset() for at in (run, run - 60 * MINUTE)}
    assert is_time(run) or len(offsets) == 2


@given(minutes, hours, zones, moments, jitters, st.uuids())
def test_jitter_comes_after_its_time_and_before_the_next(
    of_minute: set[int], of_hour: set[int] | None, zone: str, after_us: int, jitter: int, enrollment_id: object
) -> None:
    cron = f"{field(of_minute)} {field(of_hour)} * * *"
    plain, shaken = schedule(cron, zone), schedule(cron, zone, jitter)
    first = next_run_us(shaken, str(enrollment_id), after_us)
    assert first > after_us
    time = next_run_us(plain, "", first - jitter * SECOND_US - 1)
    while (following := next_run_us(plain, "", time)) <= first:
        time = following
    assert time <= first <= time + jitter * SECOND_US
    # It depends on nothing but the enrollment and its time.
    assert first == next_run_us(shaken, str(enrollment_id), max(after_us, first - 1))
    assert next_run_us(shaken, str(enrollment_id), first) >= following


def test_enrollments_do_not_begin_at_once() -> None:
    shaken = schedule("0 3 * * *", jitter=300)
    assert len({next_run_us(shaken, str(number), 0) for number in range(50)}) == 50


def test_an_hour_that_is_left_out_is_made_up_for_right_after_it() -> None:
    # In Berlin, 2026-03-29 has no 02:00 to 03:00; 01:00 UTC is 03:00 there.
    assert runs("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:30"]
    assert runs("30 * * * *", "Europe/Berlin", "2026-03-29T00:45", 2) == ["03-29 00:30", "03-29 01:30"]
    assert runs("*/30 2-3 * * *", "Europe/Berlin", "2026-03-29T00:45", 2) == ["03-29 01:00", "03-29 01:30"]


def test_an_hour_that_comes_twice_counts_once() -> None:
    # In Berlin, 2026-10-25 has 02:00 to 03:00 twice; the first time they are 00:00 to 01:00 UTC.
    assert runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    assert runs("30 * * * *", "Europe/Berlin", "2026-10-25T01:45", 3) == ["10-25 00:30", "10-25 01:30", "10-25 02:30"]
    second_time = microseconds("2026-10-25T02:15", "Europe/Berlin", fold=1)
    assert moment(next_run_us(schedule("30 2 * * *", "Europe/Berlin"), ID, second_time)).day == 26


@pytest.mark.parametrize(
    ("cron", "part"),
    [
        ("", "not 0"),
        ("* * * *", "not 4"),
        ("0 * * * * *", "not 6"),
        ("60 * * * *", "minute is wrong: '60'"),
        ("0 24 * * *", "hour is wrong: '24'"),
        ("0 0 0 * *", "day-of-month is wrong: '0'"),
        ("0 0 30 2 *", "day-of-month is wrong: '30'"),
        ("0 0 * JANUARY *", "month is wrong: 'JANUARY'"),
        ("0 0 * * 8", "day-of-week is wrong: '8'"),
        ("*/0 * * * *", "minute is wrong: '*/0'"),
        ("0 ² * * *", "hour is wrong: '²'"),
        ("@daily", "not 1"),
    ],
    ids=lambda value: value or "empty",
)
def test_what_is_wrong_is_said(cron: str, part: str) -> None:
    with pytest.raises(CronInvalid, match=re.escape(part)):
        next_run_us(schedule(cron), ID, 0)


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "Europe", "localtime", "/etc/localtime", "../UTC", "\ud800", "zone.tab", "a" * 300]
)
def test_a_time_zone_has_a_known_name(zone: str) -> None:
    with pytest.raises(TimeZoneUnknown):
        next_run_us(schedule("0 0 * * *", zone), ID, 0)


@given(st.text(alphabet="0123456789*/-,#LWlw MONJAN", max_size=30), moments)
def test_any_text_is_a_schedule_or_refused(cron: str, after_us: int) -> None:
    try:
        run = next_run_us(schedule(cron, "Europe/Berlin"), ID, after_us)
    except CronInvalid:
        return
    assert run > after_us or run == 0


def test_a_time_that_never_comes_is_0() -> None:
    assert next_run_us(schedule("0 0 */29 2 MON#5"), ID, 0) == 0
