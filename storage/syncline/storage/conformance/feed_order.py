"""What a session is shown: order, paging, newest states, event types."""

from __future__ import annotations

from itertools import pairwise

import pytest

from syncline.storage.conformance.tenant import MEDIA, NOTES, Tenant, numbered, record, removal
from syncline.storage.models import EventType, Feed, FeedItem, QueueRead


def items_of(read: QueueRead) -> list[FeedItem]:
    """All items of a read, feed by feed."""
    return [item for piece in read.slices for item in piece.items]


class FeedOrderConformance:
    """`read_queue` and what it shows."""

    def test_a_read_shows_records_as_they_stand(self, tenant: Tenant) -> None:
        revision = tenant.put("a", b"frame")
        device_uuid = tenant.register()
        read = tenant.read(device_uuid, tenant.session(device_uuid))
        assert read.complete
        assert read.through == read.head.revision == tenant.head()
        (piece,) = [piece for piece in read.slices if piece.items]
        assert (piece.feed, piece.above) == (Feed(NOTES, ""), 0)
        (item,) = piece.items
        assert (item.revision, item.frame, item.object_type, item.key) == (revision, b"frame", "note", "a")

    def test_items_come_in_revision_order(self, tenant: Tenant) -> None:
        tenant.write(*(record(key) for key in "qwertyuiop"))
        tenant.write(*(record(key, b"again") for key in "yq"))
        device_uuid = tenant.register()
        items = items_of(tenant.read(device_uuid, tenant.session(device_uuid)))
        assert [item.key for item in items] == list("wertuiopyq")
        assert all(one.revision < two.revision for one, two in pairwise(items))

    @pytest.mark.parametrize("max_items", [1, 2, 3, 7])
    def test_g2_small_reads_show_each_record_once(self, tenant: Tenant, max_items: int) -> None:
        tenant.write(*numbered(20), *(record(f"p{n}", object_type="photo", bucket="north") for n in range(9)))
        device_uuid = tenant.register("", "north")
        session = tenant.session(device_uuid)
        cursors: dict[Feed, int] = {}
        shown: list[str] = []
        complete = False
        while not complete:
            read = tenant.read(device_uuid, session, cursors, max_items=max_items)
            complete = read.complete
            items = items_of(read)
            assert complete or 0 < len(items) <= max_items + len(session.feeds)
            assert all(item.revision <= read.through <= read.head.revision for item in items)
            assert all(piece.above == cursors.get(piece.feed, 0) < read.through for piece in read.slices)
            shown.extend(item.key for item in items)
            cursors.update({entry.position.feed: read.through for entry in session.feeds})
        assert sorted(shown) == sorted([*(f"n{n:05}" for n in range(20)), *(f"p{n}" for n in range(9))])
        assert read.through == read.head.revision

    def test_a_read_is_limited_by_bytes(self, tenant: Tenant) -> None:
        tenant.write(*(record(f"n{n}", b"x" * 1000 + b"%d" % n) for n in range(20)))
        device = tenant.device()
        device.start()
        assert device.session is not None
        read = tenant.read(device.device_uuid, device.session, max_bytes=5000)
        assert not read.complete
        assert 0 < len(items_of(read)) < 10
        assert items_of(tenant.read(device.device_uuid, device.session, max_bytes=1)) != []

    def test_g2_an_item_that_changes_on_the_way_comes_again(self, tenant: Tenant) -> None:
        tenant.write(record("a", b"1"), record("b", b"1"), record("c", b"1"))
        device = tenant.device()
        device.start()
        device.read(max_items=1)
        tenant.write(record("a", b"2"), record("c", b"2"))
        later = [(item.key, item.frame) for item in items_of(device.read())]
        assert later == [("b", b"1"), ("a", b"2"), ("c", b"2")]

    def test_after_a_checkpoint_only_changes_come(self, tenant: Tenant) -> None:
        tenant.write(*numbered(5))
        device = tenant.device()
        device.start()
        assert device.read().complete
        again = device.read()
        assert (again.complete, items_of(again)) == (True, [])
        tenant.put("new")
        assert [item.key for item in items_of(device.read())] == ["new"]

    def test_a_cursor_moves_although_nothing_of_the_feed_came(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3), record("p", object_type="photo"))
        device = tenant.device()
        device.start()
        read = device.read()
        assert {piece.feed for piece in read.slices} == {Feed(NOTES, ""), Feed(MEDIA, "")}
        tenant.put("n4")
        read = device.read()
        assert {piece.feed: len(piece.items) for piece in read.slices} == {Feed(NOTES, ""): 1, Feed(MEDIA, ""): 0}

    def test_event_types_are_those_since_the_start(self, tenant: Tenant) -> None:
        tenant.write(record("changed", b"1"), record("deleted", b"1"), record("reborn", b"1"), record("left", b"1"))
        tenant.write(record("came", b"1", bucket="north"))
        device = tenant.device()
        device.sync()
        tenant.write(record("changed", b"2"), record("new", b"1"), removal("deleted"), removal("reborn"))
        tenant.write(record("reborn", b"1"), record("left", bucket="north"), record("came", bucket=""))
        tenant.write(record("new", b"2"))
        kinds = {item.key: EventType(item.event_type) for item in device.sync()}
        assert kinds == {
            "changed": EventType.UPDATED,
            "new": EventType.CREATED,
            "deleted": EventType.DELETED,
            "reborn": EventType.CREATED,
            "left": EventType.DELETED,
            "came": EventType.CREATED,
        }

    def test_a_load_leaves_out_what_was_deleted_before_it(self, tenant: Tenant) -> None:
        tenant.write(record("a"), record("b"), record("moved"))
        tenant.write(removal("a"), record("moved", bucket="north"))
        device_uuid = tenant.register()
        session = tenant.session(device_uuid)
        tenant.remove("b")
        assert [(item.key, item.frame) for item in items_of(tenant.read(device_uuid, session))] == [("b", None)]

    def test_a_deleted_item_carries_no_frame_and_the_time_of_its_end(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.sync()
        revision = tenant.write(removal("a", modified_at=77)).revisions[0]
        (item,) = device.sync()
        assert item == FeedItem(revision, EventType.DELETED, None, "note", "a", 77)
