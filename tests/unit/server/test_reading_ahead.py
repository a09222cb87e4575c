"""Reading ahead: the same items and errors in the same order, one ahead and no more, and an orderly end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from contextvars import ContextVar

import pytest

from syncline.server.requests.reading_ahead import ReadAhead

_word: ContextVar[str] = ContextVar("word")


def test_items_come_in_order_and_then_the_error_that_ended_them() -> None:
    def make(_: Callable[[], bool]) -> Generator[int]:
        yield from range(100)
        raise ValueError("torn")

    taken: list[int] = []
    with closing(ReadAhead(make)) as items, pytest.raises(ValueError, match="torn"):
        taken.extend(items)
    assert taken == list(range(100))


def test_what_cannot_even_begin_is_told() -> None:
    def make(_: Callable[[], bool]) -> Generator[int]:
        raise ValueError("no such file")

    with closing(ReadAhead(make)) as items, pytest.raises(ValueError, match="no such file"):
        list(items)


def test_it_is_one_item_ahead_and_no_more() -> None:
    made = threading.Semaphore(0)
    count = 0

    def make(_: Callable[[], bool]) -> Generator[int]:
        nonlocal count
        for number in range(5):
            count += 1
            made.release()
            yield number

    with closing(ReadAhead(make)) as ahead:
        items = iter(ahead)
        made.acquire()
        for number in range(4):
            assert next(items) == number
            made.acquire()  # the next one is made while this one is looked at
            assert count == number + 2


def test_closing_ends_one_that_waits_and_closes_it_where_it_ran() -> None:
    began, closed_in = threading.Event(), []

    def make(unwanted: Callable[[], bool]) -> Generator[int]:
        try:
            yield 1
            began.set()
            while not unwanted():
                pass
            yield 2
        finally:
            closed_in.append(threading.current_thread().name)

    with closing(ReadAhead(make)) as items:
        for item in items:
            assert item == 1
            began.wait()
            break
    assert closed_in == ["reading ahead"]


def test_it_runs_in_the_context_that_it_was_begun_in() -> None:
    def make(_: Callable[[], bool]) -> Generator[str]:
        yield _word.get()

    _word.set("ours")
    with closing(ReadAhead(make)) as items:
        assert list(items) == ["ours"]
