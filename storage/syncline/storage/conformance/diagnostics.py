"""What a store tells of a record on its way to a device."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.batches_of_parents import ask_batch
from syncline.storage.conformance.rejections import refuse_x
from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.tenant import NOTES, NOW, SECOND, Tenant, record
from syncline.storage.conformance.threads import together
from syncline.storage.conformance.uploader import Uploader, json_judge, note
from syncline.storage.contract import Store
from syncline.storage.delivery_models import Bringer, DeliveryFacts, RefusedChange, RefusedItem, StandingRecord
from syncline.storage.errors import AccountNotFound, InvalidValue
from syncline.storage.models import Feed
from syncline.storage.request_models import Detail, Ending, Operation, Severity
from syncline.storage.request_states import RequestStatus
from syncline.storage.upload_models import ChangeRefusal

REFUSED = ChangeRefusal("CHANGE_INVALID", "no good", "a")


def of(tenant: Tenant, device: Uploader | None = None, key: str = "x", object_type: str = "note") -> DeliveryFacts:
    """What is known of a record, x unless told, and the device; without one, of nobody's."""
    device_uuid = uuid4() if device is None else device.device_uuid
    return tenant.store.read_delivery(tenant.account_id, device_uuid, object_type, key)


class DiagnosticsConformance:
    """`DiagnosticsStore`."""

    def test_what_is_not_there_is_a_fact(self, tenant: Tenant) -> None:
        head = tenant.store.get_head(tenant.account_id)
        assert of(tenant) == DeliveryFacts(head=head, scope=NOTES, record=None, device=None)
        assert of(tenant, object_type="nothing") == DeliveryFacts(head=head, scope=None, record=None, device=None)
        with pytest.raises(InvalidValue):
            of(tenant, key="bad\x00")
        with pytest.raises(AccountNotFound):
            tenant.store.read_delivery("nobody", uuid4(), "note", "x")

    def test_a_record_and_where_it_was(self, tenant: Tenant) -> None:
        first = tenant.put("x", bucket="north")
        tenant.write(record("x", b"other", object_type="task"))
        standing = StandingRecord(Feed(NOTES, "north"), first, first, False, NOW, None, None)
        assert of(tenant).record == standing
        changed = tenant.put("x", b"2")
        assert of(tenant).record == replace(standing, revision=changed)
        moved = tenant.put("x", b"3", bucket="south")
        gone = tenant.remove("x")
        facts = of(tenant)
        assert facts.record == StandingRecord(Feed(NOTES, "south"), gone, moved, True, NOW, None, None)
        assert facts.departures == {Feed(NOTES, "north"): moved}
        assert facts.head == tenant.store.get_head(tenant.account_id)

    def test_all_is_of_one_moment(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        device = Uploader(tenant, "north", "south")
        moves_left = ["south", "north"] * 20

        def move() -> None:
            while moves_left:
                tenant.put("x", bucket=moves_left.pop())

        def look() -> None:
            while moves_left:
                facts = of(tenant, device)
                assert facts.record is not None
                assert facts.record.feed not in facts.departures
                assert all(revision == facts.record.revision for revision in facts.departures.values())
                assert facts.head.revision >= facts.record.revision

        together(move, look)

    def test_what_the_device_has_of_its_feeds(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        device = tenant.device("north", "south")
        device.sync()
        tenant.put("x", b"2", bucket="south")
        facts = tenant.store.read_delivery(tenant.account_id, device.device_uuid, "note", "x")
        positions = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert facts.device == tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert facts.grants == tenant.store.list_grants(tenant.account_id, device.device_uuid)
        assert facts.positions == {one.feed: one for one in positions if one.feed.scope == NOTES}
        assert facts.session == device.session
        assert facts.gc_floor == 0

    def test_the_floor_of_its_feed(self, tenant: Tenant) -> None:
        tenant.put("gone")
        tenant.put("x")
        floor = tenant.remove("gone")
        tenant.store.collect(tenant.account_id, devices_seen_before=tenant.now() + SECOND, now=tenant.now())
        assert of(tenant).gc_floor == floor

    def test_what_the_device_rejected(self, tenant: Tenant) -> None:
        tenant.put("x")
        tenant.put("other")
        device = tenant.device()
        device.start()
        session = device.session
        assert session is not None
        device.read(refuses=refuse_x)
        device.acknowledge()
        facts = tenant.store.read_delivery(tenant.account_id, device.device_uuid, "note", "x")
        assert facts.refused_item == RefusedItem(tenant.rejection(device.device_uuid), session.created_at)
        assert tenant.store.read_delivery(tenant.account_id, device.device_uuid, "note", "other").refused_item is None
        tenant.store.collect(tenant.account_id, devices_seen_before=NOW, now=session.expire_at + SECOND)
        facts = tenant.store.read_delivery(tenant.account_id, device.device_uuid, "note", "x")
        assert facts.refused_item == RefusedItem(tenant.rejection(device.device_uuid), 0)

    def test_the_newest_of_its_changes_that_was_refused(self, tenant: Tenant) -> None:
        device, other = Uploader(tenant), Uploader(tenant)
        device.send(
            device.insert("x", {"a": 1}, refusal=replace(REFUSED, message="first")),
            device.insert("y", {"a": 1}, refusal=REFUSED),
        )
        device.open()
        decided_at = tenant.now()
        again = device.insert("x", {"a": 2}, refusal=REFUSED)
        device.send(device.insert("z", {"a": 1}), again, now=decided_at)
        device.open()
        device.send(device.insert("x", {"a": 2}, object_type="task", refusal=REFUSED), device.insert("v", {"a": 1}))
        assert of(tenant, device).refused_change == RefusedChange(again.change_seq, REFUSED, decided_at)
        assert of(tenant, device, "z").refused_change is None
        assert of(tenant, other).refused_change is None

    def test_the_newest_conflict_of_the_device(self, tenant: Tenant) -> None:
        tenant.write(note("x", {"a": 1}), note("y", {"a": 1}))
        device = Uploader(tenant, judge=json_judge(ConflictPolicy.SERVER_WINS))
        for value in (2, 3):
            tenant.write(note("x", {"a": 10 * value}))
            device.one(device.update("x", {"a": (1, value)}, base_revision=1))
        tenant.write(note("y", {"a": 10}))
        device.one(device.update("y", {"a": (1, 2)}, base_revision=1))
        newest, _ = tenant.store.list_conflicts(
            tenant.account_id,
            device.device_uuid,
            all_devices=False,
            object_type="note",
            key="x",
            before_id=None,
            limit=5,
        )
        assert of(tenant, device).conflict == newest
        assert of(tenant, device, "z").conflict is None

    def test_the_newest_read_of_each_source(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        books, bikes, idle = desk.enroll(name="books"), desk.enroll(name="bikes"), desk.enroll(name="idle")
        desk.run(row("a", {"a": 1}), enrollment_id=books)
        desk.run(row("a", {"a": 1}, object_type="task"), enrollment_id=bikes)
        newest = desk.ask(enrollment_id=books)
        desk.end(desk.claimed(), Ending.FAILED)
        desk.ask(enrollment_id=books, operation=Operation.WRITE)
        loaded = [desk.ask(), desk.ask()]
        found = of(tenant).bringers
        assert [(one.enrollment_name, one.has_type, one.request.status) for one in found] == [
            ("", False, RequestStatus.CONNECTOR),
            ("", False, RequestStatus.CONNECTOR),
            ("books", True, RequestStatus.FAILED),
            ("bikes", False, RequestStatus.SUCCESS),
        ]
        assert {one.request.request_id for one in found[:2]} == {request.request_id for request in loaded}
        assert found[2] == Bringer(desk.get(newest.request_id), "books", True, None)
        assert idle not in {one.request.enrollment_id for one in found}

    def test_what_became_of_its_row(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        wanted, others = (
            Detail(Severity.ERROR, "note", 3, "x", "a", "no integer", "?"),
            Detail(Severity.ERROR, "task", 4, "x", "a", "another type", "?"),
        )
        lease = desk.lease()
        desk.write(lease, details=(wanted._replace(reason="earlier"), wanted, others), failed={"note": 2, "task": 1})
        desk.end(lease)
        (bringer,) = of(tenant).bringers
        assert (bringer.has_type, bringer.detail) == (True, wanted)
        assert of(tenant, key="y").bringers == (replace(bringer, detail=None),)

    def test_a_parent_stands_for_its_batches(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())
        refused = Detail(Severity.ERROR, "note", 1, "x", "", "no good", "")
        for number in (1, 2):
            ask_batch(desk, parent_id, number, 2)
            lease = desk.claimed()
            desk.write(
                lease, row(f"k{number}", {"a": 1}), details=(refused,) * (2 - number), failed={"note": 2 - number}
            )
            desk.end(lease)
        assert of(tenant).bringers == (Bringer(desk.get(parent_id), "", True, refused),)

    def test_g9_all_of_it_is_the_account_s_own(self, tenant: Tenant, store: Store) -> None:
        device, other = Uploader(tenant), Tenant(store)
        device.send(device.insert("x", {"a": 1}), device.insert("y", {"a": 1}, refusal=REFUSED))
        Desk(tenant).run(row("x", {"a": 1}))
        store.register_device(other.account_id, device.device_uuid, now=NOW)
        facts = other.store.read_delivery(other.account_id, device.device_uuid, "note", "y")
        assert facts == DeliveryFacts(
            head=store.get_head(other.account_id),
            scope=NOTES,
            record=None,
            device=store.get_device(other.account_id, device.device_uuid),
            grants=store.list_grants(other.account_id, device.device_uuid),
        )
