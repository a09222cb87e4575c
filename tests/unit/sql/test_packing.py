"""What is packed comes out again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.storage.models import Feed, Interval, Position, SessionFeed
from syncline.storage.sql.packing import (
    count_intervals,
    pack_cursors,
    pack_intervals,
    pack_session_feeds,
    unpack_cursors,
    unpack_intervals,
    unpack_session_feeds,
)

HIGHEST = 2**63 - 1
revisions = st.integers(0, HIGHEST)
names = st.text(st.characters(codec="utf-8"), max_size=20)
feeds = st.builds(Feed, names, names)


@st.composite
def interval_lists(draw: st.DrawFn) -> tuple[Interval, ...]:
    ends = sorted(draw(st.sets(revisions, max_size=20)))
    return tuple(Interval(above, through) for above, through in zip(ends[::2], ends[1::2], strict=False))


positions = st.builds(
    Position,
    feed=feeds,
    grant_id=revisions,
    load_id=revisions,
    head_at_start=revisions,
    epoch=revisions,
    acked_through=revisions,
    acked_beyond=interval_lists(),
)


@given(interval_lists())
def test_intervals(intervals: tuple[Interval, ...]) -> None:
    assert unpack_intervals(pack_intervals(intervals)) == intervals
    assert count_intervals(pack_intervals(intervals)) == len(intervals)


def test_a_thousand_near_gaps_are_small() -> None:
    intervals = [Interval(start, start + 1) for start in range(10**9, 10**9 + 2000, 2)]
    assert len(pack_intervals(intervals)) < 2010


@given(st.lists(st.builds(SessionFeed, positions, start=revisions), max_size=5))
def test_session_feeds(entries: list[SessionFeed]) -> None:
    assert unpack_session_feeds(pack_session_feeds(entries)) == tuple(entries)


@given(st.dictionaries(feeds, revisions, max_size=5))
def test_cursors(cursors: dict[Feed, int]) -> None:
    assert unpack_cursors(pack_cursors(cursors)) == cursors
