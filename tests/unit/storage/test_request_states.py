"""The moves of a sync request, each pair of states."""

from __future__ import annotations

from itertools import product

import pytest

from syncline.storage.request_states import RequestStatus, may_move

MOVES = {
    "ready": {"connector", "cancelled", "success", "failed"},
    "connector": {"in_progress", "cancelled"},
    "in_progress": {"ready", "success", "failed", "cancelled"},
    "success": set[str](),
    "failed": set[str](),
    "cancelled": set[str](),
}


@pytest.mark.parametrize(("before", "after"), list(product(MOVES, repeat=2)))
def test_g11_every_pair_of_states(before: str, after: str) -> None:
    assert may_move(RequestStatus(before), RequestStatus(after)) is (after in MOVES[before])


@pytest.mark.parametrize("state", list(RequestStatus))
def test_g11_nothing_leads_out_of_an_end(state: RequestStatus) -> None:
    assert state.is_final is (state.value in {"success", "failed", "cancelled"})
