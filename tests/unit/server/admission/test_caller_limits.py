"""Each limit of callers at its edge, with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from syncline.server.admission import rate_limit
from syncline.server.admission.caller_limits import PACE_SECONDS_MAX, CallerLimits
from syncline.server.admission.rate_limit import RateLimit
from syncline.server.config import load_settings
from syncline.server.errors import OverLimit
from syncline.server.identity.caller import Caller

ADA = Caller("a", "ada", frozenset())
BOB = Caller("a", "bob", frozenset())
EVE = Caller("b", "ada", frozenset())
"""Has a name of another account."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits_of(clock: Clock, **settings: float) -> CallerLimits:
    return CallerLimits(load_settings(**settings), clock)


@contextmanager
def refused(subject: str, retry_seconds: float | None = None) -> Iterator[None]:
    with pytest.raises(OverLimit) as caught:
        yield
    assert caught.value.subject == subject
    assert not any(name in str(caught.value) for name in ("ada", "bob")), "names a caller"
    if retry_seconds is not None:
        assert caught.value.retry_seconds == pytest.approx(retry_seconds)


def test_without_limits_nothing_is_refused(clock: Clock) -> None:
    limits = limits_of(clock)
    with ExitStack() as streams:
        for _ in range(1_000):
            limits.admit_call(ADA)
            streams.enter_context(limits.stream(ADA))


def test_a_burst_of_calls_then_recovery(clock: Clock) -> None:
    limits = limits_of(clock, principal_calls_per_second=2, calls_burst_seconds=5)
    for _ in range(10):
        limits.admit_call(ADA)
    with refused("principal:calls", 0.5):
        limits.admit_call(ADA)
    clock.now += 0.25
    with refused("principal:calls", 0.25):
        limits.admit_call(ADA)
    clock.now += 0.25
    limits.admit_call(ADA)
    clock.now += 60
    for _ in range(10):
        limits.admit_call(ADA)
    with refused("principal:calls"):
        limits.admit_call(ADA)


def test_a_whole_session_fits_the_smallest_bucket(clock: Clock) -> None:
    limits = limits_of(clock, principal_calls_per_second=0.1, calls_burst_seconds=1)
    for _ in range(10):
        limits.admit_call(ADA)
    with refused("principal:calls", 10):
        limits.admit_call(ADA)


def test_principals_and_accounts_do_not_disturb_each_other(clock: Clock) -> None:
    limits = limits_of(clock, principal_calls_per_second=10, account_calls_per_second=15, calls_burst_seconds=1)
    for caller in [ADA] * 10 + [BOB] * 5:
        limits.admit_call(caller)
    with refused("principal:calls"):
        limits.admit_call(ADA)
    with refused("account:calls"):
        limits.admit_call(BOB)
    for _ in range(10):
        limits.admit_call(EVE)
    clock.now += 1 / 15
    limits.admit_call(BOB)  # the refused calls did not count


def test_streams_are_counted_while_they_are_open(clock: Clock) -> None:
    limits = limits_of(clock, principal_streams=1, account_streams=2)
    with limits.stream(ADA):
        with refused("principal:streams"), limits.stream(ADA):
            pass
        with limits.stream(BOB), refused("account:streams"), limits.stream(Caller("a", "cyd", frozenset())):
            pass
        with limits.stream(EVE):
            pass
    with limits.stream(ADA):
        pass


async def test_uploads_are_slowed_down_and_then_refused(clock: Clock) -> None:
    limits = limits_of(clock, principal_upload_bytes_per_minute=6_000_000)
    await limits.pace_upload(ADA, 6_000_000)
    await limits.pace_upload(ADA, 1_000)  # 10 ms
    await limits.pace_upload(ADA, 990_000)
    with refused("principal:upload_bytes", PACE_SECONDS_MAX + 0.01):
        await limits.pace_upload(ADA, 10_000)
    await limits.pace_upload(BOB, 6_000_000)


def test_buckets_of_those_who_left_are_dropped(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_SWEEP_FIRST", 3)
    limit = RateLimit(1.0, 2.0, clock)
    limit.take("debtor", 50)
    for key in range(100):
        limit.take(key, 1)
        clock.now += 1
    assert len(limit._buckets) < 10
    assert limit.wait_for("debtor", 2) == 0
