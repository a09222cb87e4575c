"""The rules of positions against a naive model: the set of acknowledged revisions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.storage.conformance.tenant import opening
from syncline.storage.errors import ResyncRequired
from syncline.storage.models import Feed, Head, Interval, Position, SessionFeed, Told
from syncline.storage.positions import NeedsResync, add_interval, close_gaps, is_acked, new_load, resolve, resume_told

FEED = Feed("notes", "")
OTHER = Feed("notes", "north")
HEAD = Head(revision=40, store_epoch=7)
GRANTS = {"": 5, "north": 6}

intervals = st.lists(st.builds(Interval, st.integers(-3, 50), st.integers(-3, 50)), max_size=30)


def loaded() -> Position:
    """A position at the beginning of a load."""
    return new_load(FEED, grant_id=5, head=HEAD).position


def after(added: list[Interval]) -> Position:
    """The position once these are acknowledged."""
    position = loaded()
    for interval in added:
        position = add_interval(position, interval, head=HEAD.revision)
    return position


def acked(position: Position) -> set[int]:
    """The acknowledged revisions up to the head."""
    return {revision for revision in range(1, HEAD.revision + 1) if is_acked(position, revision)}


def covered(added: list[Interval]) -> set[int]:
    """What the intervals cover, taken literally."""
    revisions = range(1, HEAD.revision + 1)
    return {revision for revision in revisions if any(i.above < revision <= i.through for i in added)}


def at(entry: SessionFeed, revision: int) -> Told:
    """A device's word that it is there."""
    p = entry.position
    return Told(p.feed, HEAD.store_epoch, p.grant_id, p.load_id, p.epoch, revision)


@given(intervals)
def test_acknowledged_is_what_the_intervals_cover(added: list[Interval]) -> None:
    assert acked(after(added)) == covered(added)


@given(intervals)
def test_intervals_are_disjoint_ascending_and_apart(added: list[Interval]) -> None:
    position = after(added)
    edges = [position.acked_through]
    for interval in position.acked_beyond:
        edges += [interval.above, interval.through]
    assert edges == sorted(set(edges))
    assert edges[-1] <= HEAD.revision


@given(intervals, st.randoms(use_true_random=False))
def test_order_and_repeats_make_no_difference(added: list[Interval], rng: object) -> None:
    shuffled = added + added
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = after(added), after(shuffled)
    assert (one.acked_through, one.acked_beyond) == (other.acked_through, other.acked_beyond)


@given(intervals, st.builds(Interval, st.integers(-3, 50), st.integers(-3, 50)))
def test_a_position_is_the_same_exactly_if_nothing_is_new(added: list[Interval], interval: Interval) -> None:
    before = after(added)
    is_new = bool(covered([interval]) - acked(before))
    assert (add_interval(before, interval, head=HEAD.revision) != before) == is_new


@given(intervals, st.sets(st.integers(1, 40)))
def test_closing_passes_gaps_without_rows_only(added: list[Interval], rows: set[int]) -> None:
    before = after(added)
    closed = close_gaps(before, lambda above, through: any(above < row <= through for row in rows))
    assert acked(closed) & rows == acked(before) & rows
    assert acked(closed) >= acked(before)
    if closed.acked_beyond:
        assert any(closed.acked_through < row <= closed.acked_beyond[0].above for row in rows)


@given(intervals, st.integers(0, 40))
def test_a_position_told_acknowledges_exactly_up_to_it(added: list[Interval], revision: int) -> None:
    stored = after(added)
    entry = SessionFeed(stored, 0)
    resumed = resume_told(at(entry, revision), stored, grant_id=5, head=HEAD, floor=0)
    assert (resumed.start, resumed.position.acked_through, resumed.position.acked_beyond) == (revision, revision, ())
    rewound = any(seen > revision for seen in acked(stored))
    assert (resumed.position.epoch != stored.epoch) == rewound


@pytest.mark.parametrize(
    ("floor", "head_at_start", "is_refused"), [(0, 0, False), (10, 0, False), (11, 0, True), (30, 30, False)]
)
def test_the_floor(floor: int, head_at_start: int, is_refused: bool) -> None:
    stored = replace(loaded(), head_at_start=head_at_start)
    told = at(SessionFeed(stored, 0), 10)
    if is_refused:
        with pytest.raises(NeedsResync):
            resume_told(told, stored, grant_id=5, head=HEAD, floor=floor)
    else:
        assert resume_told(told, stored, grant_id=5, head=HEAD, floor=floor).start == 10


def test_a_load_that_the_server_does_not_know_is_held_to_the_floor() -> None:
    stored = replace(loaded(), head_at_start=30)
    told = replace(at(SessionFeed(stored, 0), 10), load_id=1)
    with pytest.raises(NeedsResync):
        resume_told(told, stored, grant_id=5, head=HEAD, floor=20)
    resumed = resume_told(told, stored, grant_id=5, head=HEAD, floor=10)
    assert (resumed.position.load_id, resumed.position.head_at_start) == (1, 0)
    assert resumed.position.epoch != stored.epoch


def test_all_feeds_that_need_it_are_named_at_once() -> None:
    entries = [new_load(feed, grant_id=GRANTS[feed.bucket], head=HEAD) for feed in (FEED, OTHER)]
    request = opening(told=tuple(replace(at(entry, 5), store_epoch=8) for entry in entries))
    with pytest.raises(ResyncRequired) as caught:
        resolve(request, [OTHER, FEED], grants=GRANTS, stored={}, floors={}, head=HEAD, expired=False)
    assert caught.value.feeds == (FEED, OTHER)


def test_sessions_list_their_feeds_by_name() -> None:
    resolved = resolve(opening(), [OTHER, FEED], grants=GRANTS, stored={}, floors={}, head=HEAD, expired=False)
    assert [entry.position.feed for entry in resolved] == [FEED, OTHER]


@pytest.mark.parametrize("full_resync", [False, True])
def test_an_expired_device_has_to_want_all_that_it_has(full_resync: bool) -> None:
    entry = new_load(FEED, grant_id=5, head=HEAD)
    request = opening(full_resync=full_resync, scopes=("media",), told=(at(entry, 5),))
    with pytest.raises(ResyncRequired) as caught:
        resolve(request, [Feed("media", "")], grants=GRANTS, stored={}, floors={}, head=HEAD, expired=True)
    assert caught.value.feeds == ()
