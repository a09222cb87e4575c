"""What one Acknowledge changes: decided in memory on what was read for it. No statement in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncline.storage.identity import item_digest
from syncline.storage.models import AckInterval, AckRedelivered, Feed, Interval, Position, Rejection
from syncline.storage.positions import add_interval
from syncline.storage.sql.rejections import Place, RejectionRow
from syncline.storage.sql.write_plan import ItemName


class AckCall:
    """Refusals come first, then intervals, then redelivered items.

    Args:
        head: the account's head revision.
        by_epoch: the positions that intervals name, by epoch.
        rejections: all of the device's.
        places: what feeds hold of the rejected and of the refused items.
    """

    def __init__(
        self,
        head: int,
        by_epoch: Mapping[int, Position],
        rejections: Mapping[ItemName, RejectionRow],
        places: Mapping[ItemName, Sequence[Place]],
    ) -> None:
        self._head = head
        self._feeds = {epoch: position.feed for epoch, position in by_epoch.items()}
        self._places = places
        self._stored = {position.feed: position for position in by_epoch.values()}
        self._known = rejections
        self.positions = dict(self._stored)
        self.rejections = dict(rejections)
        self.refused: set[ItemName] = set()
        self.passed: list[tuple[Feed, int]] = []
        """Feeds and revisions of refused items, which count as passed."""

    def refuse(self, kept: RejectionRow, seen: Sequence[Place]) -> None:
        """Keep the rejection; its item counts as passed wherever it stands at the revision that was refused."""
        self.rejections[kept.item] = kept
        self.refused.add(kept.item)
        self.passed.extend((place.feed, place.revision) for place in seen if place.revision == kept.rejection.revision)

    def add_positions(self, positions: Mapping[Feed, Position]) -> None:
        """Positions of feeds that no interval named."""
        for feed, position in positions.items():
            self._stored.setdefault(feed, position)
            self.positions.setdefault(feed, position)

    def take(self, interval: AckInterval) -> bool:
        """Acknowledge the interval, end rejections of items that it shows in a later state; was it new?"""
        feed = self._feeds.get(interval.epoch)
        if feed is None:
            return False
        for item, row in list(self.rejections.items()):
            above = max(row.rejection.revision, interval.above)
            if any(
                place.feed == feed and above < place.revision <= interval.through
                for place in self._places.get(item, ())
            ):
                del self.rejections[item]
        return self._pass(feed, Interval(interval.above, interval.through))

    def end_redelivered(self, acknowledged: AckRedelivered) -> bool:
        """End the rejection of an item that was sent again and stored, unless it was refused again; did it?"""
        for item, row in self.rejections.items():
            if row.rejection.revision <= acknowledged.revision and item_digest(*item) == acknowledged.digest:
                if item in self.refused:
                    return False
                del self.rejections[item]
                return True
        return False

    def pass_refused(self) -> None:
        """Acknowledge the refused items where the device has a position."""
        for feed, revision in self.passed:
            if feed in self.positions:
                self._pass(feed, Interval(revision - 1, revision))

    def changed_positions(self) -> list[Position]:
        """Positions to store."""
        return [position for feed, position in self.positions.items() if position != self._stored[feed]]

    def changed_rejections(self) -> list[RejectionRow]:
        """Rejections to store."""
        return [row for item, row in self.rejections.items() if row != self._known.get(item)]

    def ended_rejections(self) -> list[ItemName]:
        """Rejections to delete."""
        return [item for item in self._known if item not in self.rejections]

    def refused_now(self) -> tuple[Rejection, ...]:
        """How the items that this call refused stand at its end."""
        return tuple(self.rejections[item].rejection for item in sorted(self.refused & self.rejections.keys()))

    def _pass(self, feed: Feed, interval: Interval) -> bool:
        before = self.positions[feed]
        self.positions[feed] = add_interval(before, interval, head=self._head)
        return self.positions[feed] != before
