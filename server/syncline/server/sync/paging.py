"""Cuts what was read from the queue into pages. Pure: no store, no clock, no socket."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import NamedTuple

from syncline.server import tokens
from syncline.server.convert_queue import checkpoint, failed_object, feed_position
from syncline.server.limits import PAGE_BYTES_MAX, PAGE_REDELIVERED_MAX, PAGE_SEGMENTS_MAX
from syncline.server.token_keys import Sealer
from syncline.storage.identity import item_digest
from syncline.storage.models import AckInterval, AckRedelivered, Feed, FeedItem, QueueRead, Session, SessionFeed
from syncline.v1 import frame_pb2, queue_pb2


class PageEnd(NamedTuple):
    """The last item that a page holds of one feed. Once it is acknowledged, the page counts as acknowledged."""

    feed: Feed
    epoch: int
    revision: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page, ready to be sent."""

    message: queue_pb2.QueuePage
    ends: tuple[PageEnd, ...]
    items: tuple[Sequence[FeedItem], ...] = ()
    """What it shows, segment by segment."""


class _Span(NamedTuple):
    """Neighbouring items of one feed that go into one page."""

    feed: Feed
    items: Sequence[FeedItem]
    redelivered: bool
    to_revision: int
    """Up to where the feed is shown by it; 0 if redelivered."""


class PageCutter:
    """Cuts the reads of one stream, or of one session's FetchQueue calls, into numbered pages.

    Remembers up to where each feed was announced, so that the segments of a feed join without a gap, even if reads
    in between had nothing of it.
    """

    def __init__(
        self,
        session: Session,
        sealer: Sealer,
        *,
        page_size: int,
        item_ack_keys: bool,
        pages_before: int = 0,
        announced: Mapping[Feed, int] | None = None,
    ) -> None:
        """Begin behind `pages_before` pages, which announced the feeds up to `announced`."""
        self._sealer = sealer
        self._feeds: dict[Feed, SessionFeed] = {feed.position.feed: feed for feed in session.feeds}
        self._announced = {name: feed.start for name, feed in self._feeds.items()} | dict(announced or {})
        self._page_size = page_size
        self._item_ack_keys = item_ack_keys
        self._pages = pages_before
        self._items_left = session.total_count - pages_before * page_size
        self._at_checkpoint = False

    @property
    def announced(self) -> dict[Feed, int]:
        """Up to where the pages that were cut show each feed."""
        return dict(self._announced)

    def cut(self, read: QueueRead) -> Iterator[Page]:
        """The pages of a read, made as they are asked for.

        A read without items gives an empty page only if the device does not know yet that it stands at a checkpoint.
        """
        plan = [*_plan_redelivered(read, self._page_size), *_plan_slices(read, self._page_size)]
        if not plan and not (read.complete and self._at_checkpoint):
            plan = [[]]
        left_in_read = sum(len(span.items) for spans in plan for span in spans)
        for number, spans in enumerate(plan, start=1):
            left_in_read -= sum(len(span.items) for span in spans)
            yield self._page(read, spans, left_in_read, is_last=number == len(plan))

    def _page(self, read: QueueRead, spans: list[_Span], left_in_read: int, *, is_last: bool) -> Page:
        self._pages += 1
        page = queue_pb2.QueuePage(page_number=self._pages)
        intervals: list[AckInterval] = []
        redelivered: list[AckRedelivered] = []
        for span in spans:
            page.count += len(span.items)
            if span.redelivered:
                page.segments.append(self._redelivered_segment(span))
                redelivered += [_ack_redelivered(item) for item in span.items]
            else:
                page.segments.append(self._segment(span))
                epoch = self._feeds[span.feed].position.epoch
                intervals.append(AckInterval(epoch, self._announced[span.feed], span.to_revision))
                self._announced[span.feed] = span.to_revision
        if intervals or redelivered:
            page.page_ack_key = tokens.encode_ack_key(self._sealer, intervals, redelivered)
        if self._pages == 1:
            page.failed_objects.extend(map(failed_object, read.rejections))
        self._items_left = max(0, self._items_left - page.count)
        page.count_left = left_in_read if read.complete else max(left_in_read, self._items_left)
        self._at_checkpoint = is_last and read.complete
        self._add_positions(page, read, spans)
        ends = tuple(self._end(span) for span in spans if not span.redelivered)
        return Page(page, ends, tuple(span.items for span in spans))

    def _add_positions(self, page: queue_pb2.QueuePage, read: QueueRead, spans: list[_Span]) -> None:
        """Every feed at the head on a checkpoint; else the feeds that the page moves."""
        epoch = read.head.store_epoch
        if self._at_checkpoint:
            page.checkpoint.CopyFrom(checkpoint(read.head))
            positions = [(feed.position, read.head.revision) for feed in self._feeds.values()]
        else:
            moved = {span.feed: span.to_revision for span in spans if not span.redelivered}
            positions = [(self._feeds[feed].position, revision) for feed, revision in moved.items()]
        page.feeds.extend(feed_position(self._sealer, position, epoch, revision) for position, revision in positions)

    def _segment(self, span: _Span) -> queue_pb2.Segment:
        start = self._announced[span.feed]
        segment = _segment(span)
        segment.from_revision = start
        segment.to_revision = span.to_revision
        if self._item_ack_keys:
            epoch = self._feeds[span.feed].position.epoch
            above = start
            for revision in segment.revisions:
                segment.item_ack_keys.append(tokens.encode_item_ack_key(self._sealer, epoch, above, revision))
                above = revision
        return segment

    def _redelivered_segment(self, span: _Span) -> queue_pb2.Segment:
        segment = _segment(span)
        segment.redelivered = True
        if self._item_ack_keys:
            again = ((_ack_redelivered(item),) for item in span.items)
            segment.item_ack_keys.extend(tokens.encode_ack_key(self._sealer, (), each) for each in again)
        return segment

    def _end(self, span: _Span) -> PageEnd:
        return PageEnd(span.feed, self._feeds[span.feed].position.epoch, span.items[-1].revision)


def _segment(span: _Span) -> queue_pb2.Segment:
    bucket = span.feed.bucket
    return queue_pb2.Segment(
        scope=span.feed.scope,
        bucket=bucket,
        frames=[_delete_frame(item, bucket) if item.frame is None else item.frame for item in span.items],
        revisions=[item.revision for item in span.items],
        event_types=[item.event_type for item in span.items],  # type: ignore[misc]  # the numbers are the contract's
    )


def _delete_frame(item: FeedItem, bucket: str) -> bytes:
    frame = frame_pb2.Frame(object_type=item.object_type, key=item.key, bucket=bucket, modified_at_us=item.modified_at)
    return frame.SerializeToString()


def _ack_redelivered(item: FeedItem) -> AckRedelivered:
    return AckRedelivered(item_digest(item.object_type, item.key), item.revision)


def _plan_redelivered(read: QueueRead, page_size: int) -> Iterator[list[_Span]]:
    """Pages of refused items that are sent again; they come first and share no page with the rest."""
    size = min(page_size, PAGE_REDELIVERED_MAX)
    sizes = _Sizes([again.item for again in read.redelivered])
    start = 0
    while start < len(read.redelivered):
        end = sizes.fit(start, size, PAGE_BYTES_MAX)
        runs = groupby(read.redelivered[start:end], key=lambda again: again.feed)
        yield [_Span(feed, [again.item for again in run], redelivered=True, to_revision=0) for feed, run in runs]
        start = end


def _plan_slices(read: QueueRead, page_size: int) -> Iterator[list[_Span]]:
    """Pages of the feeds, one after the other; the last span of a feed reaches up to where the read did."""
    page: list[_Span] = []
    items_left, bytes_left = page_size, PAGE_BYTES_MAX
    for feed_slice in read.slices:
        sizes = _Sizes(feed_slice.items)
        start = 0
        while start < len(feed_slice.items):
            if page and (len(page) == PAGE_SEGMENTS_MAX or not sizes.fits(start, items_left, bytes_left)):
                yield page
                page, items_left, bytes_left = [], page_size, PAGE_BYTES_MAX
            end = sizes.fit(start, items_left, bytes_left)
            items = feed_slice.items[start:end]
            ends_feed = end == len(feed_slice.items)
            page.append(_Span(feed_slice.feed, items, False, read.through if ends_feed else items[-1].revision))
            items_left -= len(items)
            bytes_left -= sizes.total(start, end)
            start = end
    if page:
        yield page


class _Sizes:
    """How many bytes runs of items take on the wire, about."""

    def __init__(self, items: Sequence[FeedItem]) -> None:
        self._before = list(accumulate(map(_item_bytes, items), initial=0))

    def total(self, start: int, end: int) -> int:
        """The bytes of the items from `start` to before `end`."""
        return self._before[end] - self._before[start]

    def fits(self, start: int, items_left: int, bytes_left: int) -> bool:
        """Does the item at `start` fit?"""
        return items_left > 0 and self.total(start, start + 1) <= bytes_left

    def fit(self, start: int, items_left: int, bytes_left: int) -> int:
        """Where a run from `start` must end to fit; it holds at least one item."""
        by_bytes = bisect_right(self._before, self._before[start] + bytes_left) - 1
        return max(start + 1, min(start + items_left, by_bytes, len(self._before) - 1))


def _item_bytes(item: FeedItem) -> int:
    """The frame's bytes; of a delete, whose frame is made when it is sent, at most what its key takes."""
    return 4 * len(item.key) + 100 if item.frame is None else len(item.frame)
