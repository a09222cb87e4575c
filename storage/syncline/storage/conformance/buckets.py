"""Devices, grants, and records that move between buckets."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from syncline.storage.conformance.tenant import NOTES, NOW, SECOND, Tenant, record, removal
from syncline.storage.errors import DeviceNotFound, ResyncRequired
from syncline.storage.models import DeviceState, Feed


class BucketConformance:
    """`DeviceStore`, and what grants mean for reading."""

    def test_a_device_is_registered_once(self, tenant: Tenant) -> None:
        store, device_uuid = tenant.store, uuid4()
        first = store.register_device(tenant.account_id, device_uuid, now=NOW)
        assert (first.device_uuid, first.state, first.created_at) == (device_uuid, DeviceState.ACTIVE, NOW)
        assert (first.last_contact, first.stream_id, first.session_id) == (NOW, 0, "")
        grants = store.list_grants(tenant.account_id, device_uuid)
        assert list(grants) == [""]
        again = store.register_device(tenant.account_id, device_uuid, now=NOW + SECOND)
        assert again.created_at == NOW
        assert store.list_grants(tenant.account_id, device_uuid) == grants

    def test_registering_again_gives_no_bucket_back(self, tenant: Tenant) -> None:
        device = tenant.device()
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, [""])
        tenant.store.register_device(tenant.account_id, device.device_uuid, now=NOW)
        assert tenant.store.list_grants(tenant.account_id, device.device_uuid) == {}

    def test_an_unknown_device_is_an_error(self, tenant: Tenant) -> None:
        with pytest.raises(DeviceNotFound):
            tenant.store.get_device(tenant.account_id, uuid4())
        with pytest.raises(DeviceNotFound):
            tenant.open(uuid4())
        with pytest.raises(DeviceNotFound):
            tenant.store.acknowledge(tenant.account_id, uuid4(), [], [], [], now=NOW)

    def test_devices_are_listed_by_uuid(self, tenant: Tenant) -> None:
        uuids = sorted([UUID(int=1), UUID(int=(1 << 128) - 1), *(uuid4() for _ in range(5))])
        for device_uuid in reversed(uuids):
            tenant.store.register_device(tenant.account_id, device_uuid, now=NOW)
        first = tenant.store.list_devices(tenant.account_id, after=None, limit=3)
        rest = tenant.store.list_devices(tenant.account_id, after=first[-1].device_uuid, limit=100)
        assert [device.device_uuid for device in (*first, *rest)] == uuids

    def test_contact_only_moves_forward(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        tenant.store.touch_device(tenant.account_id, device_uuid, now=NOW + 1000 * SECOND)
        tenant.store.touch_device(tenant.account_id, device_uuid, now=NOW)
        assert tenant.store.get_device(tenant.account_id, device_uuid).last_contact == NOW + 1000 * SECOND

    def test_a_grant_that_stands_keeps_its_id(self, tenant: Tenant) -> None:
        device_uuid = tenant.register("north")
        before = tenant.store.list_grants(tenant.account_id, device_uuid)
        tenant.store.grant_buckets(tenant.account_id, device_uuid, ["north", "south", "south"])
        after = tenant.store.list_grants(tenant.account_id, device_uuid)
        assert set(after) == {"north", "south"}
        assert after["north"] == before["north"] != after["south"]

    def test_a_grant_given_back_is_a_new_one(self, tenant: Tenant) -> None:
        device_uuid = tenant.register("north")
        before = tenant.store.list_grants(tenant.account_id, device_uuid)["north"]
        tenant.store.revoke_buckets(tenant.account_id, device_uuid, ["north", "never granted"])
        assert tenant.store.list_grants(tenant.account_id, device_uuid) == {}
        tenant.store.grant_buckets(tenant.account_id, device_uuid, ["north"])
        assert tenant.store.list_grants(tenant.account_id, device_uuid)["north"] not in {before, 0}

    def test_a_device_sees_granted_buckets_only(self, tenant: Tenant) -> None:
        tenant.write(record("d"), record("n", bucket="north"), record("s", bucket="south"))
        assert {item.key for item in tenant.device("north").sync()} == {"n"}
        assert {item.key for item in tenant.device("", "south").sync()} == {"d", "s"}

    def test_a_bucket_granted_later_is_loaded(self, tenant: Tenant) -> None:
        tenant.write(record("d"), record("n", bucket="north"))
        device = tenant.device()
        device.sync()
        tenant.store.grant_buckets(tenant.account_id, device.device_uuid, ["north"])
        assert [item.key for item in device.sync()] == ["n"]
        assert set(device.frames()) == {("note", "d"), ("note", "n")}

    def test_rows_of_a_bucket_taken_away_go(self, tenant: Tenant) -> None:
        tenant.write(record("d"), record("n", bucket="north"))
        device = tenant.device("", "north")
        device.sync()
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["north"])
        device.sync()
        assert set(device.frames()) == {("note", "d")}
        positions = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert {position.feed.bucket for position in positions} == {""}

    def test_a_bucket_granted_anew_is_loaded_anew(self, tenant: Tenant) -> None:
        tenant.write(record("kept", bucket="north"), record("moved", bucket="north"), record("gone", bucket="north"))
        device = tenant.device("", "north")
        device.sync()
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["north"])
        tenant.write(removal("gone"), record("moved", b"2", bucket="south"))
        tenant.store.grant_buckets(tenant.account_id, device.device_uuid, ["north"])
        assert [(item.key, item.frame is None) for item in device.sync()] == [("kept", False)]
        assert set(device.frames()) == {("note", "kept")}

    def test_a_bucket_emptied_and_granted_anew_is_swept(self, tenant: Tenant) -> None:
        tenant.put("a", bucket="north")
        device = tenant.device("", "north")
        device.sync()
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["north"])
        tenant.put("a", b"2", bucket="south")
        tenant.store.grant_buckets(tenant.account_id, device.device_uuid, ["north"])
        device.sync()
        assert device.frames() == {}

    @pytest.mark.parametrize("granted_anew", [False, True])
    def test_a_grant_that_changes_ends_reading(self, tenant: Tenant, granted_anew: bool) -> None:
        tenant.write(record("n1", bucket="north"), record("n2", bucket="north"))
        device = tenant.device("", "north")
        device.start()
        device.read(max_items=1)
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["north"])
        if granted_anew:
            tenant.store.grant_buckets(tenant.account_id, device.device_uuid, ["north"])
        with pytest.raises(ResyncRequired):
            device.read()
        assert {item.key for item in device.sync()} == ({"n1", "n2"} if granted_anew else set())

    @pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a"), ("", "a"), ("b", "")])
    def test_g5_a_move_between_granted_buckets_keeps_the_record(self, tenant: Tenant, source: str, target: str) -> None:
        tenant.put("x", b"1", bucket=source)
        device = tenant.device("", "a", "b")
        device.sync()
        tenant.put("x", b"1", bucket=target)
        items = device.sync()
        assert sorted(item.frame is None for item in items) == [False, True]
        assert len({item.revision for item in items}) == 1
        assert device.frames() == {("note", "x"): b"1"}

    @pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
    def test_g2_there_and_back_is_one_item_a_feed(self, tenant: Tenant, source: str, target: str) -> None:
        tenant.put("x", b"1", bucket=source)
        device = tenant.device("a", "b")
        device.sync()
        tenant.put("x", b"2", bucket=target)
        tenant.put("x", b"3", bucket=source)
        items = device.sync()
        assert sorted(item.frame or b"" for item in items) == [b"", b"3"]
        assert device.frames() == {("note", "x"): b"3"}

    def test_g10_a_move_out_of_the_granted_buckets_is_a_delete(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        device = tenant.device("north")
        device.sync()
        tenant.put("x", b"{}", bucket="south")
        (item,) = device.sync()
        assert (item.key, item.frame) == ("x", None)
        assert device.frames() == {}

    def test_g10_a_tombstone_that_comes_to_life_elsewhere_leaves_a_departure(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        device = tenant.device("north")
        device.sync()
        tenant.remove("x")
        tenant.put("x", b"2", bucket="south")
        assert [(item.key, item.frame) for item in device.sync()] == [("x", None)]
        assert device.frames() == {}

    def test_g10_a_delete_after_a_move_reaches_both_buckets(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        north, south = tenant.device("north"), tenant.device("south")
        north.sync()
        tenant.put("x", b"2", bucket="south")
        south.sync()
        tenant.remove("x")
        north.sync()
        south.sync()
        assert (north.frames(), south.frames()) == ({}, {})

    def test_g2_a_departure_goes_when_its_record_comes_to_life_after_collection(self, tenant: Tenant) -> None:
        tenant.put("x", b"1", bucket="north")
        lagging = tenant.device("north")
        lagging.sync()
        tenant.put("x", b"2", bucket="south")
        tenant.remove("x")
        tenant.store.collect(tenant.account_id, devices_seen_before=0, now=NOW)
        assert tenant.store.get_records(tenant.account_id, "note", ["x"]) == []
        revision = tenant.put("x", b"3", bucket="north")
        assert [(item.revision, item.frame) for item in lagging.sync()] == [(revision, b"3")]
        assert lagging.frames() == {("note", "x"): b"3"}

    def test_filters_choose_among_granted_buckets(self, tenant: Tenant) -> None:
        tenant.write(record("d"), record("n", bucket="north"), record("s", bucket="south"))
        device_uuid = tenant.register("", "north")
        session = tenant.session(device_uuid, buckets={NOTES: frozenset({"north", "south"})}, scopes=(NOTES,))
        assert [entry.position.feed for entry in session.feeds] == [Feed(NOTES, "north")]
        read = tenant.read(device_uuid, session)
        assert [item.key for piece in read.slices for item in piece.items] == ["n"]
