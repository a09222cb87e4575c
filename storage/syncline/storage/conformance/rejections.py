"""Items that a device cannot take: kept, shown again, parked, put back (G7)."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.reference_device import ReferenceDevice, refuse_everything
from syncline.storage.conformance.tenant import Tenant, numbered, record
from syncline.storage.errors import LimitReached
from syncline.storage.identity import item_digest
from syncline.storage.models import AckOutcome, AckRedelivered, EventType, FeedItem, QueueRead, Refusal, Rejection


def refuse_x(item: FeedItem) -> bool:
    """Refuse the records with the key x."""
    return item.key == "x"


def keys(read: QueueRead) -> tuple[list[str], list[str]]:
    """What a read showed again, and what it showed of the feeds."""
    return [again.item.key for again in read.redelivered], [item.key for piece in read.slices for item in piece.items]


def refuse(tenant: Tenant, device: ReferenceDevice, *refusals: Refusal) -> AckOutcome:
    """Refuse items outside of any page."""
    return tenant.store.acknowledge(tenant.account_id, device.device_uuid, [], [], refusals, now=tenant.now())


class RejectionConformance:
    """Refusals, redelivery, parking."""

    def test_g7_a_refused_item_holds_up_nothing(self, tenant: Tenant) -> None:
        tenant.write(record("a"), record("x"), record("z"))
        device = tenant.device()
        device.sync(refuses=refuse_x)
        assert set(device.frames()) == {("note", "a"), ("note", "z")}
        rejection = tenant.rejection(device.device_uuid)
        assert rejection == Rejection("note", "x", 2, "the device cannot take it", count=1, parked=False)
        positions = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert {position.acked_through for position in positions} == {tenant.head()}

    def test_a_refused_item_counts_as_passed_without_its_interval(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("z"))
        device = tenant.device(tells_positions=False)
        device.start()
        device.read()
        outcome = refuse(tenant, device, Refusal("note", "x", 1, "no"))
        assert outcome.refusals_taken == (True,)
        assert outcome.rejections == (Rejection("note", "x", 1, "no", count=1, parked=False),)
        positions = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert {position.feed.scope: position.acked_through for position in positions}["notes"] == 1

    def test_it_is_shown_again_in_the_next_session_first_and_by_key(self, tenant: Tenant) -> None:
        tenant.write(*numbered(4), record("b", object_type="photo"), record("a", object_type="task"))
        device = tenant.device()
        device.sync(refuses=refuse_everything)
        tenant.put("new")
        opened = device.start()
        assert len(opened.rejections) == 6
        read = device.read()
        assert keys(read) == (["n00000", "n00001", "n00002", "n00003", "b", "a"], ["new"])
        assert all(again.item.frame is not None for again in read.redelivered)
        device.acknowledge()
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []
        assert len(device.frames()) == 7
        assert device.start().session is None

    @pytest.mark.parametrize("max_items", [1, 2, 3])
    def test_showing_again_is_paged(self, tenant: Tenant, max_items: int) -> None:
        tenant.write(*numbered(7))
        device = tenant.device()
        device.sync(refuses=refuse_everything)
        tenant.put("new")
        assert sorted(item.key for item in device.sync(max_items=max_items)) == [
            "n00000", "n00001", "n00002", "n00003", "n00004", "n00005", "n00006", "new",
        ]  # fmt: skip
        assert len(device.frames()) == 8

    def test_it_is_not_shown_again_in_the_session_that_refused_it(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.start()
        device.read(refuses=refuse_x)
        device.acknowledge()
        assert device.session is not None
        read = tenant.read(device.device_uuid, device.session, redeliver_after=("", ""))
        assert read.redelivered == ()

    def test_none_shows_none_again(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync(refuses=refuse_x)
        session = device.start().session
        assert session is not None
        cursors = {entry.position.feed: entry.start for entry in session.feeds}
        assert tenant.read(device.device_uuid, session, cursors, redeliver_after=None).redelivered == ()
        assert tenant.read(device.device_uuid, session, cursors, redeliver_after=("note", "x")).redelivered == ()
        assert len(tenant.read(device.device_uuid, session, cursors, redeliver_after=("note", "w")).redelivered) == 1

    def test_the_count_grows_once_a_session(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync(refuses=refuse_x)
        again = refuse(tenant, device, Refusal("note", "x", 1, "still no"))
        assert [rejection.count for rejection in again.rejections] == [1]
        device.sync(refuses=refuse_x)
        assert tenant.rejection(device.device_uuid).count == 2

    def test_g7_after_five_sessions_it_is_parked(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        for count in range(1, 6):
            assert not any(rejection.parked for rejection in device.start().rejections)
            device.read(refuses=refuse_x)
            outcome = device.acknowledge()
            assert [(one.count, one.parked) for one in outcome.rejections] == [(count, count == 5)]
        opened = device.start()
        assert opened.session is None
        assert [rejection.parked for rejection in opened.rejections] == [True]

    def test_a_parked_item_that_changes_comes_with_the_feed(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        for _ in range(5):
            device.sync(refuses=refuse_x)
        tenant.put("x", b"better")
        assert [item.frame for item in device.sync()] == [b"better"]
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []
        assert device.frames() == {("note", "x"): b"better"}

    def test_a_refusal_at_a_later_revision_counts_from_one(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        for _ in range(5):
            device.sync(refuses=refuse_x)
        revision = tenant.put("x", b"worse")
        device.sync(refuses=refuse_x)
        rejection = tenant.rejection(device.device_uuid)
        assert (rejection.revision, rejection.count, rejection.parked) == (revision, 1, False)

    def test_a_refusal_of_an_older_revision_is_not_taken(self, tenant: Tenant) -> None:
        tenant.put("x")
        tenant.put("x", b"2")
        device = tenant.device()
        device.sync(refuses=refuse_x)
        outcome = refuse(tenant, device, Refusal("note", "x", 1, "late"))
        assert (outcome.refusals_taken, outcome.rejections) == ((False,), ())
        assert tenant.rejection(device.device_uuid).revision == 2

    def test_a_refusal_of_what_the_device_cannot_see_is_not_taken(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        device = tenant.device()
        device.start(always=True)
        outcome = refuse(
            tenant, device, Refusal("note", "x", 1, ""), Refusal("note", "never", 1, ""), Refusal("nothing", "x", 1, "")
        )
        assert outcome.refusals_taken == (False, False, False)
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []

    def test_a_parked_item_can_be_put_back(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        for _ in range(5):
            device.sync(refuses=refuse_x)
        items = [("note", "x"), ("note", "never"), ("task", "x")]
        assert tenant.store.put_back(tenant.account_id, device.device_uuid, items) == 1
        assert tenant.store.put_back(tenant.account_id, device.device_uuid, items) == 0
        assert (tenant.rejection(device.device_uuid).count, tenant.rejection(device.device_uuid).parked) == (0, False)
        assert [item.key for item in device.sync()] == ["x"]
        assert device.frames() == {("note", "x"): b"{}"}

    def test_a_refused_item_that_was_deleted_ends_with_the_delete(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync(refuses=refuse_x)
        tenant.remove("x")
        device.sync()
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []
        assert device.start().session is None

    def test_a_refused_delete_is_shown_again_as_a_delete(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync()
        revision = tenant.remove("x")
        device.sync(refuses=refuse_x)
        assert device.frames() == {("note", "x"): b"{}"}
        (item,) = device.sync()
        assert (item.revision, item.event_type, item.frame) == (revision, EventType.DELETED, None)
        assert device.frames() == {}
        assert device.start().session is None

    def test_a_refused_delete_that_was_collected_is_shown_again(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync()
        revision = tenant.remove("x")
        device.sync(refuses=refuse_x)
        collected = tenant.store.collect(tenant.account_id, devices_seen_before=0, now=tenant.now())
        assert collected.tombstones == 1
        assert [(item.key, item.revision, item.frame) for item in device.sync()] == [("x", revision, None)]
        assert (device.frames(), device.start().session) == ({}, None)

    def test_a_refused_item_that_left_the_buckets_is_shown_as_a_delete(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync()
        revision = tenant.put("x", b"2")
        device.sync(refuses=refuse_x)
        tenant.put("x", b"2", bucket="north")
        copy = device.file.copy()
        device.sync()
        assert device.frames() == {}
        assert revision > copy.rows["note", "x"].revision
        assert device.start().session is None

    @pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
    def test_a_departure_of_its_own_revision_does_not_end_it(self, tenant: Tenant, source: str, target: str) -> None:
        tenant.put("x", b"1", bucket=source)
        device = tenant.device("a", "b")
        device.sync()
        revision = tenant.put("x", b"2", bucket=target)
        device.sync(refuses=lambda item: item.frame is not None)
        assert tenant.rejection(device.device_uuid).revision == revision
        assert [item.frame for item in device.sync()] == [b"2"]
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []

    def test_an_item_refused_and_acknowledged_in_one_call_is_refused(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync(refuses=refuse_x)
        device.start()
        device.read()
        outcome = tenant.store.acknowledge(
            tenant.account_id,
            device.device_uuid,
            device.outbox.intervals,
            device.outbox.redelivered,
            [Refusal("note", "x", 1, "after all")],
            now=tenant.now(),
        )
        assert [(one.count, one.reason) for one in outcome.rejections] == [(2, "after all")]

    def test_an_acknowledgement_below_the_refused_revision_ends_nothing(self, tenant: Tenant) -> None:
        tenant.put("x")
        tenant.put("x", b"2")
        device = tenant.device()
        device.sync(refuses=refuse_x)
        outcome = tenant.store.acknowledge(
            tenant.account_id,
            device.device_uuid,
            [],
            [AckRedelivered(item_digest("note", "x"), 1)],
            [],
            now=tenant.now(),
        )
        assert outcome.redelivered_taken == (False,)
        assert tenant.rejection(device.device_uuid).revision == 2

    def test_what_a_device_tells_as_refused_is_kept(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("z"))
        device = tenant.device()
        device.start()
        device.read(refuses=refuse_x)
        device.outbox.refusals.clear()
        device.acknowledge()
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []
        opened = device.start()
        assert [(one.key, one.count) for one in opened.rejections] == [("x", 1)]
        assert keys(device.read()) == (["x"], [])

    def test_what_a_device_tells_as_refused_is_kept_although_it_is_gone(self, tenant: Tenant) -> None:
        """An acknowledgement from before the device was put back may have ended the rejection."""
        tenant.put("x")
        device = tenant.device()
        device.sync()
        revision = tenant.remove("x")
        device.sync(refuses=refuse_x)
        late = AckRedelivered(item_digest("note", "x"), revision)
        tenant.store.acknowledge(tenant.account_id, device.device_uuid, [], [late], [], now=tenant.now())
        assert tenant.store.collect(tenant.account_id, devices_seen_before=0, now=tenant.now()).tombstones == 1
        assert device.frames() == {("note", "x"): b"{}"}
        assert [(item.key, item.frame) for item in device.sync()] == [("x", None)]
        assert (device.frames(), device.start().session) == ({}, None)

    def test_a_full_resync_shows_it_with_its_feed(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("z"))
        device = tenant.device()
        device.sync(refuses=refuse_x)
        device.start(full_resync=True)
        assert keys(device.read()) == ([], ["x", "z"])

    def test_a_thousand_rejections_are_the_most(self, tenant: Tenant) -> None:
        tenant.write(*numbered(1001))
        device = tenant.device()
        device.start()
        refusals = [Refusal("note", f"n{number:05}", number + 1, "") for number in range(1001)]
        assert set(refuse(tenant, device, *refusals[:1000]).refusals_taken) == {True}
        with pytest.raises(LimitReached):
            refuse(tenant, device, refusals[1000])
        assert len(tenant.store.list_rejections(tenant.account_id, device.device_uuid)) == 1000
