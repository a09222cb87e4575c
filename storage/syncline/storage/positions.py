"""The rules of positions: where reading starts, and what an acknowledgement adds. Pure, shared by all stores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from syncline.storage.errors import ResyncRequired
from syncline.storage.identity import random_id
from syncline.storage.models import Feed, Head, Interval, OpenQueue, Position, SessionFeed, Told


class NeedsResync(Exception):
    """The feed must be loaded from its beginning, and the device has to be told so first."""

    def __init__(self, feed: Feed, why: str) -> None:
        super().__init__(why)
        self.feed = feed
        self.why = why


def resolve(
    request: OpenQueue,
    feeds: Collection[Feed],
    *,
    grants: Mapping[str, int],
    stored: Mapping[Feed, Position],
    floors: Mapping[Feed, int],
    head: Head,
    expired: bool,
) -> tuple[SessionFeed, ...]:
    """Where a session reads each of its feeds from, in the order of the feeds' names.

    Args:
        request: what the device asks for.
        feeds: those that the session serves; every bucket of them is in `grants`.
        grants: the granted buckets with the ids of the grants.
        stored: the device's positions as the server keeps them.
        floors: the floors of the feeds; a feed that is missing has none.
        head: where the account's history stands.
        expired: the device was not seen for too long. It becomes active by a full resync that wants every scope
            that it tells a position of.

    Raises:
        ResyncRequired: feeds cannot be read on from where the device is.
    """
    told = {position.feed: position for position in request.told}
    wanted = set(request.scopes) or {feed.scope for feed in (*feeds, *told)}
    if expired and not (request.full_resync and all(feed.scope in wanted for feed in told)):
        raise ResyncRequired(
            (), "the device was not seen for too long; it must resynchronise all of its scopes in full"
        )
    resolved: list[SessionFeed] = []
    refused: list[NeedsResync] = []
    for feed in sorted(feeds):
        grant_id, floor = grants[feed.bucket], floors.get(feed, 0)
        try:
            if request.full_resync:
                resolved.append(new_load(feed, grant_id=grant_id, head=head))
            elif feed in told:
                resolved.append(resume_told(told[feed], stored.get(feed), grant_id=grant_id, head=head, floor=floor))
            elif told or feed not in stored:
                resolved.append(new_load(feed, grant_id=grant_id, head=head))
            else:
                resolved.append(resume_acked(stored[feed], grant_id=grant_id, head=head, floor=floor))
        except NeedsResync as needs:
            refused.append(needs)
    if refused:
        raise ResyncRequired([needs.feed for needs in refused], refused[0].why)
    return tuple(resolved)


def new_load(feed: Feed, *, grant_id: int, head: Head) -> SessionFeed:
    """Read the feed from its beginning."""
    position = Position(
        feed=feed,
        grant_id=grant_id,
        load_id=random_id(),
        head_at_start=head.revision,
        epoch=random_id(),
        acked_through=0,
        acked_beyond=(),
    )
    return SessionFeed(position, start=0)


def resume_told(told: Told, stored: Position | None, *, grant_id: int, head: Head, floor: int) -> SessionFeed:
    """Read on from where the device says it is.

    The device's word decides. If it is behind what was acknowledged, or speaks of another epoch, its file was put
    back or copied: a new epoch begins, so that acknowledgements still on their way from before are stale.

    Raises:
        NeedsResync: the position is of another history, beyond the head, or below the floor.
    """
    if told.store_epoch != head.store_epoch:
        raise NeedsResync(told.feed, "the position is of another history of the server")
    if told.revision > head.revision:
        raise NeedsResync(told.feed, "the position is beyond the head")
    if told.grant_id != grant_id:
        return new_load(told.feed, grant_id=grant_id, head=head)
    same_load = stored is not None and stored.load_id == told.load_id
    head_at_start = stored.head_at_start if stored is not None and same_load else 0
    _check_floor(told.feed, told.revision, head_at_start, floor)
    goes_on = stored is not None and same_load and stored.epoch == told.epoch and told.revision >= _acked_to(stored)
    position = Position(
        feed=told.feed,
        grant_id=grant_id,
        load_id=told.load_id,
        head_at_start=head_at_start,
        epoch=told.epoch if goes_on else random_id(),
        acked_through=told.revision,
        acked_beyond=(),
    )
    return SessionFeed(position, start=told.revision)


def resume_acked(stored: Position, *, grant_id: int, head: Head, floor: int) -> SessionFeed:
    """Read on from what was acknowledged, for a device that stores no positions.

    Raises:
        NeedsResync: that is below the floor.
    """
    if stored.grant_id != grant_id:
        return new_load(stored.feed, grant_id=grant_id, head=head)
    _check_floor(stored.feed, stored.acked_through, stored.head_at_start, floor)
    return SessionFeed(stored, start=stored.acked_through)


def add_interval(position: Position, interval: Interval, *, head: int) -> Position:
    """The position with the interval acknowledged, clamped to the head; equal to `position` if nothing is new."""
    through = min(interval.through, head)
    above = max(interval.above, 0)
    if through <= above or through <= position.acked_through:
        return position
    if above <= position.acked_through:
        return _absorb(replace(position, acked_through=through))
    merged: list[Interval] = []
    for known in position.acked_beyond:
        if known.through < above or known.above > through:
            merged.append(known)
        else:
            above, through = min(above, known.above), max(through, known.through)
    merged.append(Interval(above, through))
    return replace(position, acked_beyond=tuple(sorted(merged, key=lambda known: known.above)))


def close_gaps(position: Position, has_row: Callable[[int, int], bool]) -> Position:
    """Pass gaps that hold nothing any more. `has_row(above, through)` says whether the feed has a row there."""
    while position.acked_beyond:
        first = position.acked_beyond[0]
        if has_row(position.acked_through, first.above):
            break
        position = _absorb(replace(position, acked_through=first.through))
    return position


def is_acked(position: Position, revision: int) -> bool:
    """Is this revision acknowledged?"""
    return revision <= position.acked_through or any(
        known.above < revision <= known.through for known in position.acked_beyond
    )


def _absorb(position: Position) -> Position:
    """Let `acked_through` swallow the intervals that it touches."""
    through = position.acked_through
    rest = list(position.acked_beyond)
    while rest and rest[0].above <= through:
        through = max(through, rest.pop(0).through)
    return replace(position, acked_through=through, acked_beyond=tuple(rest))


def _acked_to(position: Position) -> int:
    """The highest revision that is acknowledged."""
    return position.acked_beyond[-1].through if position.acked_beyond else position.acked_through


def _check_floor(feed: Feed, revision: int, head_at_start: int, floor: int) -> None:
    """What was collected must have been passed, or have been gone before the load began."""
    if floor > revision and floor > head_at_start:
        raise NeedsResync(feed, "deletes beyond the position were collected")
