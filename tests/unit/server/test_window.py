"""Which pages count as acknowledged."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from syncline.server.sync.joined_intervals import JoinedIntervals
from syncline.server.sync.paging import Page, PageEnd
from syncline.server.sync.window import AckWindow
from syncline.storage.models import AckInterval, Feed, FeedItem, Interval, Position
from syncline.v1 import queue_pb2

FEED = Feed("main", "")


def page(*ends: tuple[int, int]) -> Page:
    """A page that ends at these (epoch, revision)."""
    return Page(queue_pb2.QueuePage(), tuple(PageEnd(FEED, epoch, revision) for epoch, revision in ends))


def position(epoch: int, through: int, *beyond: tuple[int, int]) -> Position:
    return Position(FEED, 1, 1, 0, epoch, through, tuple(Interval(*ends) for ends in beyond))


def full_after(window: AckWindow, *positions: Position) -> bool:
    window.settle(positions)
    return window.is_full()


def test_a_page_is_acknowledged_when_all_of_its_feeds_are() -> None:
    window = AckWindow(1)
    window.add(page((1, 10), (2, 20)))
    assert window.is_full()

    assert full_after(window, position(1, 10), position(2, 19))
    assert not full_after(window, position(1, 10), position(2, 20))


def test_order_does_not_matter() -> None:
    window = AckWindow(2)
    window.add(page((1, 10)))
    window.add(page((1, 20)))

    assert not full_after(window, position(1, 0, (10, 20)))
    window.add(page((1, 30)))
    assert full_after(window, position(1, 0, (10, 20)))


def test_acknowledgements_of_another_epoch_do_not_count() -> None:
    window = AckWindow(1)
    window.add(page((1, 10)))

    assert full_after(window, position(9, 10))


def test_pages_of_nothing_but_redelivered_items_are_not_counted() -> None:
    window = AckWindow(1)
    window.add(page())

    assert not window.is_full()


def test_of_live_pages_it_is_told_once_when_they_were_written_of_the_newest_only() -> None:
    window = AckWindow(2)
    for revision in (10, 20, 30):
        items = tuple(FeedItem(number, 1, b"", "note", "a", modified_at=number * 100) for number in (1, revision))
        window.add_live(replace(page((1, revision)), items=(items,)))
    window.add(page((1, 40)))

    assert window.taken([AckInterval(2, 0, 40)]) == []
    assert window.taken([AckInterval(1, 20, 40)]) == [3_000]
    assert window.taken([AckInterval(1, 19, 20), AckInterval(1, 0, 19)]) == [2_000]
    assert window.taken([AckInterval(1, 0, 40)]) == []


@given(st.lists(st.builds(AckInterval, st.integers(1, 2), st.integers(0, 12), st.integers(0, 12))))
def test_joined_intervals_cover_what_each_of_them_did(intervals: list[AckInterval]) -> None:
    covered = {(each.epoch, revision) for each in intervals for revision in range(each.above + 1, each.through + 1)}

    joined = JoinedIntervals(intervals)

    everything = {(epoch, revision) for epoch in range(4) for revision in range(15)}
    assert {place for place in everything if joined.covers(*place)} == covered
