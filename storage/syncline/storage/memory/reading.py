"""What a session is shown of its feeds, and where a read is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from syncline.storage.memory.state import AccountState, FeedRow
from syncline.storage.models import EventType, Feed, FeedItem, FeedSlice, Session, SessionFeed
from syncline.storage.positions import is_acked


class Candidate(NamedTuple):
    """One row that a read may show. Sorts by revision."""

    revision: int
    feed: Feed
    item: FeedItem


def is_shown(row: FeedRow, entry: SessionFeed, cursor: int, skip_acked: bool) -> bool:
    """Does the session show this row of a feed that it has read up to `cursor`?"""
    if row.revision <= cursor:
        return False
    if row.frame is None and row.revision <= entry.position.head_at_start:
        return False
    return not (skip_acked and is_acked(entry.position, row.revision))


def event_type(row: FeedRow, entry: SessionFeed) -> int:
    """What happened to the row since the session's start, as a plain number."""
    if row.frame is None:
        return int(EventType.DELETED)
    return int(EventType.CREATED if row.entered_revision > entry.start else EventType.UPDATED)


def candidates(account: AccountState, session: Session, cursors: Mapping[Feed, int]) -> list[Candidate]:
    """All that the session has still to be shown, in revision order."""
    found = [
        Candidate(
            row.revision,
            entry.position.feed,
            FeedItem(
                revision=row.revision,
                event_type=event_type(row, entry),
                frame=row.frame,
                object_type=row.object_type,
                key=row.key,
                modified_at=row.modified_at,
                trace_context=row.trace_context,
            ),
        )
        for entry in session.feeds
        for row in account.feed_rows(entry.position.feed)
        if is_shown(row, entry, cursors[entry.position.feed], session.skip_acked)
    ]
    return sorted(found, key=lambda candidate: (candidate.revision, candidate.feed))


def cut(found: Sequence[Candidate], *, max_items: int, max_bytes: int) -> int:
    """How many of the candidates one read shows: at least one, and all or none of one revision."""
    size_bytes = 0
    for count, candidate in enumerate(found):
        size_bytes += len(candidate.item.frame or b"")
        begins_revision = count > 0 and found[count - 1].revision < candidate.revision
        if begins_revision and (count >= max_items or size_bytes > max_bytes):
            return count
    return len(found)


def slices(
    session: Session, cursors: Mapping[Feed, int], shown: Sequence[Candidate], through: int
) -> tuple[FeedSlice, ...]:
    """The candidates by feed; a slice for each feed that moves."""
    return tuple(
        FeedSlice(feed, above=cursors[feed], items=tuple(one.item for one in shown if one.feed == feed))
        for feed in (entry.position.feed for entry in session.feeds)
        if cursors[feed] < through
    )
