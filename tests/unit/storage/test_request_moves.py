"""What becomes of a request only ever is a move of the table, whatever happens to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.storage.errors import BatchOutOfOrder, RequestEnded
from syncline.storage.request_models import NEVER, Ending, NewRequest, Operation, Progress, SyncRequest
from syncline.storage.request_moves import (
    cancelled,
    claimed,
    cut_message,
    ended,
    is_repeat,
    lapsed,
    made,
    made_parent,
    parent_ended,
    promoted,
    summed,
)
from syncline.storage.request_states import RequestStatus, may_move

NEW = NewRequest("r", "", b"", Operation.READ, False, None, 5, "me", parent_id="p", current_batch=1, total_batches=3)
FINAL_WORST_FIRST = (RequestStatus.FAILED, RequestStatus.CANCELLED, RequestStatus.SUCCESS)
EVENTS = ["cancel", "promote", "claim", "lapse", *Ending]


def after(request: SyncRequest, event: str | Ending, *, now: int) -> SyncRequest:
    """The request after something that can happen to it; as it is if that cannot happen to it now."""
    state = request.status
    if event == "cancel":
        try:
            return cancelled(request, by="you", now=now)
        except RequestEnded:
            assert state.is_final
    if event == "promote" and state is RequestStatus.READY:
        return promoted(request, now=now)
    if event == "claim" and state is RequestStatus.CONNECTOR:
        return claimed(request, worker="w", lease_us=9, now=now)
    if state is not RequestStatus.IN_PROGRESS:
        return request
    if event == "lapse":
        return lapsed(request, failures_max=3, now=now)
    if isinstance(event, Ending):
        return ended(request, event, message="", due_at=now, failures_max=3, now=now)
    return request


@given(st.lists(st.sampled_from(EVENTS), max_size=30), st.integers(0, 9))
def test_g11_whatever_happens_is_a_move(events: list[str | Ending], made_at: int) -> None:
    request = made(NEW, now=made_at)
    for now, event in enumerate(events, made_at + 1):
        moved = after(request, event, now=now)
        assert moved.status is request.status or may_move(request.status, moved.status)
        assert (moved.worker != "") == (moved.lease_until != 0) == (moved.status is RequestStatus.IN_PROGRESS)
        assert request.failure_count <= moved.failure_count <= 3
        if request.cancel_asked:
            assert moved.status in {RequestStatus.IN_PROGRESS, RequestStatus.CANCELLED, RequestStatus.SUCCESS}
        request = moved


@given(st.lists(st.sampled_from(list(RequestStatus)), max_size=4))
def test_g11_a_parent_ends_with_all_of_its_batches(states: list[RequestStatus]) -> None:
    parent = made_parent(NEW, "p", now=1)
    result = parent_ended(parent, states, by="w", now=9)
    if len(states) != 3 or not set(states) <= set(FINAL_WORST_FIRST):
        assert result is None
        return
    assert result is not None
    expected = next(state for state in FINAL_WORST_FIRST if state in states)
    assert result.status is expected
    assert parent_ended(result, states, by="w", now=10) is None


@given(st.sampled_from(list(Operation)), st.booleans(), st.lists(st.sampled_from(EVENTS), max_size=20))
def test_g11_the_parent_of_a_full_read_runs_once_its_batches_succeeded(
    operation: Operation, full: bool, events: list[str | Ending]
) -> None:
    parent = made_parent(replace(NEW, operation=operation, run_full_sync=full), "p", now=1)
    assert (parent.status, parent.due_at) == (RequestStatus.READY, NEVER)
    moved = parent_ended(parent, [RequestStatus.SUCCESS] * 3, by="w", now=9)
    assert moved is not None
    if not full or operation is not Operation.READ:
        assert (moved.status, moved.due_at) == (RequestStatus.SUCCESS, NEVER)
        return
    assert (moved.status, moved.due_at) == (RequestStatus.READY, 9)
    for now, event in enumerate(events, 10):
        assert parent_ended(moved, [RequestStatus.SUCCESS] * 3, by="w", now=now) is None
        moved = after(moved, event, now=now)


@pytest.mark.parametrize(("number", "last", "expected"), [(1, 0, False), (1, 1, True), (2, 1, False), (7, 7, True)])
def test_g11_the_last_batch_may_come_again(number: int, last: int, expected: bool) -> None:
    assert is_repeat(number, last=last) is expected


@pytest.mark.parametrize(("number", "last"), [(0, 0), (-1, 0), (2, 0), (1, 2), (4, 2)])
def test_g11_other_batches_may_not(number: int, last: int) -> None:
    with pytest.raises(BatchOutOfOrder):
        is_repeat(number, last=last)


def test_a_message_is_cut_to_what_can_be_kept() -> None:
    assert cut_message("a\x00\ud800" + "b" * 300) == "a\ufffd\ufffd" + "b" * 197


def test_a_parent_sums_up_every_number() -> None:
    assert summed([Progress(1, 2, 3, 4, 5, 6, 7, 8)] * 2) == Progress(2, 4, 6, 8, 10, 12, 14, 16)
    assert summed([]) == Progress()
