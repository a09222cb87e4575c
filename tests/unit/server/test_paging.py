"""Cutting reads into pages."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.server import tokens
from syncline.server.limits import PAGE_BYTES_MAX, PAGE_SEGMENTS_MAX
from syncline.server.sync.paging import PageCutter
from syncline.storage.models import (
    Feed,
    FeedItem,
    FeedSlice,
    FetchProgress,
    Head,
    Position,
    QueueRead,
    Redelivered,
    Rejection,
    Session,
    SessionFeed,
)
from syncline.v1 import frame_pb2, queue_pb2
from tests.harness.token_keys import sealer_of

SEALER = sealer_of()


def feed(number: int) -> Feed:
    return Feed("main", f"b{number}")


def session(feeds: int, *, total: int = 0, start: int = 0) -> Session:
    entries = tuple(
        SessionFeed(Position(feed(number), 1, 2, 0, 100 + number, start, ()), start) for number in range(feeds)
    )
    progress = FetchProgress(0, {}, None)
    return Session("s", UUID(int=1), 0, 0, entries, False, total, False, progress)


def item(revision: int, *, size: int = 10, deleted: bool = False) -> FeedItem:
    frame = None if deleted else bytes(size)
    return FeedItem(revision, 1, frame, "note", f"k{revision}", 7)


def read(
    slices: Sequence[Sequence[FeedItem]],
    *,
    through: int,
    complete: bool = True,
    redelivered: Sequence[FeedItem] = (),
    rejections: Sequence[Rejection] = (),
) -> QueueRead:
    return QueueRead(
        head=Head(through if complete else through + 10, 5),
        through=through,
        complete=complete,
        slices=tuple(FeedSlice(feed(number), 0, tuple(items)) for number, items in enumerate(slices)),
        redelivered=tuple(Redelivered(feed(0), each) for each in redelivered),
        rejections=tuple(rejections),
    )


def cut(cutter: PageCutter, found: QueueRead) -> list[queue_pb2.QueuePage]:
    return [page.message for page in cutter.cut(found)]


layouts = st.lists(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0, 10, 10, 10, PAGE_BYTES_MAX // 3, PAGE_BYTES_MAX])), max_size=8
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(st.lists(layouts, min_size=1, max_size=3), st.integers(1, 6), st.booleans())
def test_every_item_once_in_order_and_segments_join(
    reads: list[list[list[tuple[int, int]]]], page_size: int, item_ack_keys: bool
) -> None:
    """Several reads of several feeds; each item is given as (feed, bytes) and gets the next revision."""
    cutter = PageCutter(session(4), SEALER, page_size=page_size, item_ack_keys=item_ack_keys)
    sent: list[tuple[int, int]] = []
    pages: list[queue_pb2.QueuePage] = []
    revision = 0
    for number, layout in enumerate(reads):
        slices: list[list[FeedItem]] = [[], [], [], []]
        for place, size in (entry for part in layout for entry in part):
            revision += 1
            slices[place].append(item(revision, size=size))
            sent.append((place, revision))
        pages += cut(cutter, read(slices, through=revision, complete=number == len(reads) - 1))

    assert [page.page_number for page in pages] == list(range(1, len(pages) + 1))
    for place in range(4):
        segments = [segment for page in pages for segment in page.segments if segment.bucket == f"b{place}"]
        assert [r for segment in segments for r in segment.revisions] == [r for at, r in sent if at == place]
        at = 0
        for segment in segments:
            assert segment.from_revision == at < segment.revisions[0]
            assert segment.revisions[-1] <= segment.to_revision
            at = segment.to_revision
    for page in pages:
        sizes = [len(frame) for segment in page.segments for frame in segment.frames]
        assert page.count == len(sizes) <= page_size
        assert sum(sizes) <= PAGE_BYTES_MAX or len(sizes) == 1
        assert_keys_fit(page, item_ack_keys)
    assert pages[-1].HasField("checkpoint")
    assert {position.bucket for position in pages[-1].feeds} == {f"b{place}" for place in range(4)}


def assert_keys_fit(page: queue_pb2.QueuePage, item_ack_keys: bool) -> None:
    """The page's key acknowledges its segments; items' keys run from their predecessors."""
    if not page.segments:
        assert page.page_ack_key == ""
        return
    whole = tokens.decode_ack_key(SEALER, page.page_ack_key)
    assert whole is not None
    assert [(i.above, i.through) for i in whole.intervals] == [(s.from_revision, s.to_revision) for s in page.segments]
    for segment in page.segments:
        assert len(segment.item_ack_keys) == (len(segment.frames) if item_ack_keys else 0)
        above = segment.from_revision
        for key, revision in zip(segment.item_ack_keys, segment.revisions, strict=False):
            decoded = tokens.decode_ack_key(SEALER, key)
            assert decoded is not None
            assert [(i.above, i.through) for i in decoded.intervals] == [(above, revision)]
            above = revision


def test_the_last_segment_of_a_feed_reaches_as_far_as_the_read() -> None:
    pages = cut(
        PageCutter(session(2), SEALER, page_size=2, item_ack_keys=False),
        read([[item(1), item(3), item(5)], [item(2)]], through=9, complete=False),
    )

    assert [(s.bucket, s.from_revision, s.to_revision) for page in pages for s in page.segments] == [
        ("b0", 0, 3),
        ("b0", 3, 9),
        ("b1", 0, 9),
    ]
    assert [[position.bucket for position in page.feeds] for page in pages] == [["b0"], ["b0", "b1"]]
    assert not pages[-1].HasField("checkpoint")


def test_a_feed_without_items_in_a_read_joins_all_the_same() -> None:
    cutter = PageCutter(session(2, start=4), SEALER, page_size=9, item_ack_keys=False)
    cut(cutter, read([[item(5)], []], through=6, complete=False))

    (page,) = cut(cutter, read([[], [item(8)]], through=8))

    assert [(s.bucket, s.from_revision, s.to_revision) for s in page.segments] == [("b1", 4, 8)]


def test_an_empty_read_gives_a_checkpoint_only_if_the_device_needs_one() -> None:
    cutter = PageCutter(session(1), SEALER, page_size=9, item_ack_keys=False)
    assert [page.HasField("checkpoint") for page in cut(cutter, read([[]], through=3))] == [True]
    assert cut(cutter, read([[]], through=4)) == []
    cut(cutter, read([[item(5)]], through=5, complete=False))

    (page,) = cut(cutter, read([[]], through=9))

    assert (page.page_number, page.count, page.checkpoint.head_revision) == (3, 0, 9)


def test_deletes_are_frames_without_data() -> None:
    (page,) = cut(
        PageCutter(session(1), SEALER, page_size=9, item_ack_keys=False), read([[item(1, deleted=True)]], through=1)
    )

    frame = frame_pb2.Frame.FromString(page.segments[0].frames[0])
    assert (frame.object_type, frame.key, frame.bucket, frame.modified_at_us) == ("note", "k1", "b0", 7)
    assert not frame.HasField("data")


def test_redelivered_items_move_no_position_and_have_keys_of_their_own() -> None:
    cutter = PageCutter(session(1), SEALER, page_size=2, item_ack_keys=True)
    rejection = Rejection("note", "k1", 1, "odd", 5, parked=True)

    pages = cut(cutter, read([[item(9)]], through=9, redelivered=[item(n) for n in (1, 2, 3)], rejections=[rejection]))

    assert [page.count for page in pages] == [2, 1, 1]
    assert [len(page.feeds) for page in pages] == [0, 0, 1]
    assert [len(page.failed_objects) for page in pages] == [1, 0, 0]
    first = pages[0].segments[0]
    assert (first.redelivered, first.from_revision, first.to_revision) == (True, 0, 0)
    whole = tokens.decode_ack_key(SEALER, pages[0].page_ack_key)
    each = [tokens.decode_ack_key(SEALER, key) for key in first.item_ack_keys]
    assert whole is not None
    assert whole.redelivered == tuple(part for key in each if key is not None for part in key.redelivered)
    assert not whole.intervals


def test_what_is_left_is_counted_exactly_in_a_complete_read_and_guessed_before() -> None:
    cutter = PageCutter(session(1, total=10), SEALER, page_size=2, item_ack_keys=False)

    first = cut(cutter, read([[item(n) for n in range(1, 5)]], through=4, complete=False))
    last = cut(cutter, read([[item(n) for n in range(5, 8)]], through=7))

    assert [page.count_left for page in first] == [8, 6]
    assert [page.count_left for page in last] == [1, 0]


def test_the_segments_of_a_page_are_limited() -> None:
    count = PAGE_SEGMENTS_MAX + 1
    pages = cut(
        PageCutter(session(count), SEALER, page_size=5_000, item_ack_keys=False),
        read([[item(n)] for n in range(1, count + 1)], through=count),
    )

    assert [len(page.segments) for page in pages] == [PAGE_SEGMENTS_MAX, 1]
