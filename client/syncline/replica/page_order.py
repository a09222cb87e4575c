"""Checks that a stream's pages come whole and in order."""

from __future__ import annotations

from syncline.client import PageMissing
from syncline.v1 import queue_pb2


class PageOrder:
    """The order of one stream's pages: numbers without a gap, and segments of each feed that join."""

    def __init__(self, store_epoch: str) -> None:
        self._store_epoch = store_epoch
        self._pages = 0
        self._reached: dict[tuple[str, str], int] = {}

    def check(self, page: queue_pb2.QueuePage) -> None:
        """Take the next page.

        Raises:
            PageMissing: it does not follow the one before. None of it may be stored.
        """
        if page.page_number != self._pages + 1:
            raise PageMissing(f"page {self._pages + 1} of the queue is missing; page {page.page_number} came instead")
        self._pages += 1
        for segment in page.segments:
            if not segment.redelivered:
                self._check_segment(segment)
        if page.HasField("checkpoint") and page.checkpoint.store_epoch != self._store_epoch:
            raise PageMissing("the server's history changed in the middle of the queue")

    def _check_segment(self, segment: queue_pb2.Segment) -> None:
        feed = (segment.scope, segment.bucket)
        reached = self._reached.get(feed, segment.from_revision)
        if segment.from_revision != reached:
            raise PageMissing(f"items of the feed {feed} are missing: revisions {reached} to {segment.from_revision}")
        self._reached[feed] = segment.to_revision
