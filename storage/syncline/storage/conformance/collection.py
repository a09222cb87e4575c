"""Expiry and collection (G10)."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.tenant import HOUR, MEDIA, NOTES, NOW, Tenant, record
from syncline.storage.errors import ResyncRequired, SessionNotFound
from syncline.storage.models import Collected, DeviceState


def collect(tenant: Tenant, *, devices_seen_before: int = 0) -> Collected:
    """Collect what can go."""
    return tenant.store.collect(tenant.account_id, devices_seen_before=devices_seen_before, now=tenant.now())


def tombstone_is_kept(tenant: Tenant, key: str) -> bool:
    """Is there still a row?"""
    return bool(tenant.store.get_records(tenant.account_id, "note", [key]))


class CollectionConformance:
    """`CollectionStore`."""

    def test_without_devices_everything_goes(self, tenant: Tenant) -> None:
        tenant.write(record("kept"), record("gone"), record("moved"))
        tenant.put("moved", b"2", bucket="north")
        revision = tenant.remove("gone")
        collected = collect(tenant)
        assert (collected.tombstones, collected.departures) == (1, 1)
        assert not tombstone_is_kept(tenant, "gone")
        assert tombstone_is_kept(tenant, "kept")
        assert tenant.store.get_floor(tenant.account_id, NOTES, "") == revision
        assert tenant.store.get_floor(tenant.account_id, NOTES, "north") == 0
        assert tenant.store.get_floor(tenant.account_id, MEDIA, "") == 0
        assert collect(tenant) == Collected(0, 0, 0, 0)

    @pytest.mark.parametrize("tells_positions", [True, False])
    def test_g10_a_tombstone_waits_for_every_device(self, tenant: Tenant, tells_positions: bool) -> None:
        tenant.put("x")
        quick = tenant.device(tells_positions=tells_positions)
        slow = tenant.device(tells_positions=tells_positions)
        quick.sync()
        slow.sync()
        tenant.remove("x")
        quick.sync()
        assert collect(tenant).tombstones == 0
        slow.sync()
        assert slow.frames() == {}
        assert collect(tenant).tombstones == 1

    def test_g10_a_departure_waits_for_every_device(self, tenant: Tenant) -> None:
        tenant.put("x", bucket="north")
        device = tenant.device("north")
        device.sync()
        tenant.put("x", b"2", bucket="south")
        assert collect(tenant).departures == 0
        device.sync()
        assert device.frames() == {}
        assert collect(tenant).departures == 1

    def test_g10_a_tombstone_read_but_not_acknowledged_stays(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync()
        tenant.remove("x")
        device.start()
        device.read()
        assert collect(tenant).tombstones == 0
        device.acknowledge()
        assert collect(tenant).tombstones == 1

    def test_g10_a_stale_acknowledgement_releases_nothing(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("y"))
        device = tenant.device()
        device.sync()
        copy = device.file.copy()
        tenant.remove("x")
        device.start()
        device.read()
        late = device.outbox
        device.acknowledge()
        device.file = copy
        device.start()
        tenant.store.acknowledge(tenant.account_id, device.device_uuid, late.intervals, [], [], now=tenant.now())
        assert collect(tenant).tombstones == 0
        device.read()
        assert device.frames() == {("note", "y"): b"{}"}

    def test_a_device_without_a_position_in_the_feed_needs_nothing(self, tenant: Tenant) -> None:
        tenant.put("x")
        tenant.device("north").sync()
        tenant.register()
        tenant.remove("x")
        assert collect(tenant).tombstones == 1

    def test_a_load_needs_nothing_from_before_its_start(self, tenant: Tenant) -> None:
        tenant.write(record("a"), record("x"))
        tenant.remove("x")
        device = tenant.device()
        device.start()
        assert collect(tenant).tombstones == 1
        assert device.read().complete
        assert device.frames() == {("note", "a"): b"{}"}

    def test_g10_a_load_needs_what_is_deleted_while_it_runs(self, tenant: Tenant) -> None:
        tenant.write(record("a"), record("b"), record("c"))
        device = tenant.device()
        device.start()
        device.read(max_items=1)
        tenant.remove("a")
        assert collect(tenant).tombstones == 0
        device.read()
        assert set(device.frames()) == {("note", "b"), ("note", "c")}

    def test_g10_a_position_below_the_floor_must_resynchronise(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("y"))
        device = tenant.device()
        device.sync()
        copy = device.file.copy()
        tenant.remove("x")
        device.sync()
        assert collect(tenant).tombstones == 1
        device.file = copy
        with pytest.raises(ResyncRequired):
            device.start()
        device.sync()
        assert device.frames() == {("note", "y"): b"{}"}

    def test_g10_a_session_that_the_floor_overtakes_ends(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("y"), record("z"))
        device = tenant.device()
        device.sync()
        tenant.write(record("y", b"2"), record("z", b"2"))
        device.start()
        device.read(max_items=1)
        copy = device.session
        assert copy is not None
        tenant.remove("x")
        twin = tenant.open(device.device_uuid, full_resync=True, now=tenant.now())
        assert twin.session is not None
        assert collect(tenant).tombstones == 1
        with pytest.raises(ResyncRequired):
            tenant.read(device.device_uuid, copy)

    def test_a_device_not_seen_expires(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.sync()
        tenant.remove("x")
        collected = collect(tenant, devices_seen_before=tenant.now() + 1)
        assert (collected.devices_expired, collected.tombstones) == (1, 1)
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert row.state is DeviceState.EXPIRED
        assert tenant.store.list_positions(tenant.account_id, device.device_uuid) == []
        assert collect(tenant, devices_seen_before=tenant.now() + 1).devices_expired == 0

    def test_a_device_seen_in_time_does_not_expire(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        seen_at = tenant.store.get_device(tenant.account_id, device_uuid).last_contact
        assert collect(tenant, devices_seen_before=seen_at).devices_expired == 0

    def test_g10_neither_acknowledgement_nor_contact_revives(self, tenant: Tenant) -> None:
        tenant.put("x")
        device = tenant.device()
        device.start()
        device.read()
        collect(tenant, devices_seen_before=tenant.now() + 1)
        with pytest.raises(ResyncRequired):
            device.acknowledge()
        with pytest.raises(ResyncRequired):
            device.read()
        tenant.store.touch_device(tenant.account_id, device.device_uuid, now=tenant.now())
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert row.state is DeviceState.EXPIRED
        with pytest.raises(ResyncRequired):
            device.start()

    def test_g10_an_expired_device_comes_back_by_a_full_resync(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("y"), record("z"))
        device = tenant.device("", "north")
        device.sync(refuses=lambda item: item.key == "z")
        tenant.remove("x")
        collect(tenant, devices_seen_before=tenant.now() + 1)
        assert set(tenant.store.list_grants(tenant.account_id, device.device_uuid)) == {"", "north"}
        assert tenant.rejection(device.device_uuid).key == "z"
        device.sync()
        assert set(device.frames()) == {("note", "y"), ("note", "z")}
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert row.state is DeviceState.ACTIVE

    def test_an_expired_device_does_not_come_back_by_a_part_of_its_scopes(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("p", object_type="photo"))
        device = tenant.device()
        device.sync()
        collect(tenant, devices_seen_before=tenant.now() + 1)
        with pytest.raises(ResyncRequired):
            device.start(scopes=(NOTES,), full_resync=True)
        assert device.start(scopes=(NOTES, MEDIA), full_resync=True).session is not None

    def test_sessions_end_by_time(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        session = tenant.session(device_uuid, always=True, now=NOW)
        assert collect(tenant).sessions_ended == 0
        later = session.expire_at + 1
        assert tenant.store.collect(tenant.account_id, devices_seen_before=0, now=later).sessions_ended == 1
        with pytest.raises(SessionNotFound):
            tenant.store.get_session(
                tenant.account_id, device_uuid, session.session_id, now=NOW, expire_at=later + HOUR
            )
