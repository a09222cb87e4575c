"""Many acknowledged intervals as few: items are acknowledged one by one, and lie next to each other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from syncline.storage.models import AckInterval


class JoinedIntervals:
    """The revisions of all of the intervals, by position epoch."""

    def __init__(self, intervals: Iterable[AckInterval]) -> None:
        self._ends: dict[int, tuple[list[int], list[int]]] = {}
        """Of each epoch, what its joined intervals lie above and what they go through; rising, and nowhere touching."""
        for interval in sorted(intervals, key=lambda each: (each.epoch, each.above)):
            above, through = self._ends.setdefault(interval.epoch, ([], []))
            if through and interval.above <= through[-1]:
                through[-1] = max(through[-1], interval.through)
            elif interval.above < interval.through:
                above.append(interval.above)
                through.append(interval.through)

    def covers(self, epoch: int, revision: int) -> bool:
        """Is the revision in one of them?"""
        above, through = self._ends.get(epoch, ([], []))
        lower = bisect_left(above, revision)
        return lower > 0 and revision <= through[lower - 1]
