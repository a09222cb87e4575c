"""The rules of a run by themselves: when to go on, and after how long."""

from __future__ import annotations

import grpc
import pytest

from syncline.client import ConnectionLost, HandlerError, LimitReached, Page, PageMissing, SyncError
from syncline.client.backoff import DELAY_S_MAX
from syncline.client.errors import Failure
from syncline.client.run import SyncRun
from tests.client.scripted import Item, page, started

FIRST_DELAY_S = 0.2


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the delays are the matter."""
    monkeypatch.setattr("syncline.client.backoff.FIRST_DELAY_S", FIRST_DELAY_S)


@pytest.fixture
def run() -> SyncRun:
    return SyncRun(scopes=(), follow=True, page_size=10, full_resync=False, attempts_max=9)


def lost(retry_after: float | None = None) -> ConnectionLost:
    return ConnectionLost("gone", Failure(status=grpc.StatusCode.UNAVAILABLE, retry_after=retry_after))


def test_delays_double_up_to_a_limit_and_are_spread(run: SyncRun) -> None:
    for attempt in range(9):
        full = min(FIRST_DELAY_S * 2**attempt, DELAY_S_MAX)
        assert full / 2 <= run.resume_after(lost()) <= full
    with pytest.raises(ConnectionLost):
        run.resume_after(lost())


def test_a_page_begins_the_delays_anew(run: SyncRun) -> None:
    for _ in range(5):
        run.resume_after(lost())
    run.session_started(started())
    run.acknowledged(run.page_received(Page(page(1))), None)
    assert run.resume_after(lost()) <= FIRST_DELAY_S


def test_the_server_may_ask_for_a_longer_delay(run: SyncRun) -> None:
    delays = {run.resume_after(lost(retry_after=60.0)) for _ in range(9)}
    assert all(60.0 <= delay <= 75.0 for delay in delays)
    assert len(delays) > 1, "all clients come back at the same moment"


@pytest.mark.parametrize(("failures", "retry_after"), [(10, 1.0), (1, 121.0)])
def test_who_gives_up_says_why(run: SyncRun, failures: int, retry_after: float) -> None:
    for _ in range(failures - 1):
        run.resume_after(lost(retry_after))
    with pytest.raises(ConnectionLost) as caught:
        run.resume_after(lost(retry_after))
    assert caught.value.__notes__ in (
        ["It has failed 10 times in a row."],
        ["The server wants to be asked again in 121 s, not before."],
    )


def test_an_error_that_says_when_to_ask_again_is_passing(run: SyncRun) -> None:
    failure = Failure("LIMIT_REACHED", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=1.0)
    assert run.resume_after(LimitReached("too many calls", failure)) >= 1.0
    with pytest.raises(LimitReached):
        run.resume_after(LimitReached("too many rejections", Failure("LIMIT_REACHED")))


def test_errors_that_no_new_session_mends_end_the_run(run: SyncRun) -> None:
    with pytest.raises(SyncError, match="misuse"):
        run.resume_after(SyncError("misuse"))


def test_a_follow_that_the_server_ends_is_not_complete(run: SyncRun) -> None:
    run.session_started(started())
    run.acknowledged(run.page_received(Page(page(1, checkpoint=1))), None)
    with pytest.raises(PageMissing):
        run.stream_ended()


def test_a_handler_error_names_the_item() -> None:
    ((meta, _),) = Page(page(1, [Item("a", 1)])).items()
    assert "note 'a'" in str(HandlerError(meta, None))
