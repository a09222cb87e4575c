"""What of a feed a session has still to be shown, as ranges of revisions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from syncline.storage.models import Feed, SessionFeed


class Range(NamedTuple):
    """The rows of a feed above `above` up to and including `through`; deletes only if also above `gone_above`."""

    scope: str
    bucket: str
    above: int
    through: int
    gone_above: int


def unread_ranges(
    feeds: Mapping[Feed, SessionFeed], cursors: Mapping[Feed, int], *, skip_acked: bool, through: int
) -> dict[Feed, list[Range]]:
    """The ranges of each feed above its cursor, in order; feeds that stand at `through` are left out."""
    return {
        feed: ranges
        for feed, entry in feeds.items()
        if (ranges := _ranges(entry, cursors[feed], skip_acked=skip_acked, through=through))
    }


def _ranges(entry: SessionFeed, cursor: int, *, skip_acked: bool, through: int) -> list[Range]:
    """All above the cursor; without what is acknowledged beyond the start, if that is to be skipped."""
    ends: list[tuple[int, int]] = []
    above = cursor
    for acked in entry.position.acked_beyond if skip_acked else ():
        ends.append((above, min(acked.above, through)))
        above = max(above, acked.through)
    ends.append((above, through))
    # What was gone before the load began was never part of it.
    gone_above = entry.position.head_at_start
    return [Range(*entry.position.feed, above, end, max(above, gone_above)) for above, end in ends if above < end]
