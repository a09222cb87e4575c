"""Which pages of a stream are on their way, and not acknowledged yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain

from syncline.server.sync.joined_intervals import JoinedIntervals
from syncline.server.sync.paging import Page, PageEnd
from syncline.storage.models import AckInterval, Position
from syncline.storage.positions import is_acked


class AckWindow:
    """Limits the pages in flight of one stream.

    Redelivered items stand in no feed, so that positions cannot tell about them: pages of nothing else are not
    counted. There are few: a device has at most 1,000 of them, sent once a session.
    """

    def __init__(self, pages_max: int) -> None:
        self._pages_max = pages_max
        self._in_flight: deque[tuple[PageEnd, ...]] = deque()
        self._written_at: dict[PageEnd, int] = {}
        """By the last item of a live page, when the newest of its records was written; as many as may be in flight."""

    def is_full(self) -> bool:
        """May no further page be sent?"""
        return len(self._in_flight) >= self._pages_max

    def add(self, page: Page) -> None:
        """A page is about to be sent."""
        if page.ends:
            self._in_flight.append(page.ends)

    def add_live(self, page: Page) -> None:
        """A page is about to be sent of which it is to be known how long its records were on their way."""
        self.add(page)
        if page.ends:
            if len(self._written_at) >= self._pages_max:
                del self._written_at[next(iter(self._written_at))]
            self._written_at[page.ends[-1]] = max(items[-1].modified_at for items in page.items)

    def taken(self, intervals: Iterable[AckInterval]) -> list[int]:
        """When the records of the live pages were written that these acknowledge; each page is told once."""
        if not self._written_at:
            return []
        joined = JoinedIntervals(intervals)
        ends = [end for end in self._written_at if joined.covers(end.epoch, end.revision)]
        return [self._written_at.pop(end) for end in ends]

    def on_their_way(self) -> dict[int, int]:
        """The highest revision that was sent under each position epoch, of pages that are not known to be settled."""
        highest: dict[int, int] = {}
        for end in chain.from_iterable(self._in_flight):
            highest[end.epoch] = max(end.revision, highest.get(end.epoch, 0))
        return highest

    def settle(self, positions: Sequence[Position]) -> None:
        """Drop what the device has acknowledged, by its positions as they stand now."""
        by_epoch = {position.epoch: position for position in positions}
        self._in_flight = deque(ends for ends in self._in_flight if not all(_is_acked(end, by_epoch) for end in ends))


def _is_acked(end: PageEnd, by_epoch: dict[int, Position]) -> bool:
    position = by_epoch.get(end.epoch)
    return position is not None and is_acked(position, end.revision)
