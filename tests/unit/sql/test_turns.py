"""The lock that is given in the order of asking."""

from __future__ import annotations

import threading

import pytest

from syncline.storage.errors import StoreUnavailable
from syncline.storage.sql.turns import Turns


def _ask(turns: Turns, name: int, order: list[int]) -> threading.Thread:
    """A thread that waits for its turn; returns once it stands in the queue."""

    def run() -> None:
        with turns.turn():
            order.append(name)

    before = len(turns._waiting)
    thread = threading.Thread(target=run)
    thread.start()
    while len(turns._waiting) == before:
        pass
    return thread


def test_first_come_first_served() -> None:
    turns, order = Turns(wait_s_max=60), list[int]()
    with turns.turn():
        threads = [_ask(turns, name, order) for name in range(8)]
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_it_is_free_again_after_an_error() -> None:
    turns = Turns(wait_s_max=60)
    with pytest.raises(ZeroDivisionError), turns.turn():
        1 / 0  # noqa: B018
    with turns.turn():
        pass


def test_waiting_too_long_is_said() -> None:
    turns = Turns(wait_s_max=0.001)
    with turns.turn(), pytest.raises(StoreUnavailable), turns.turn():
        pass
    with turns.turn():
        pass
