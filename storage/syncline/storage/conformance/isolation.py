"""Walls between accounts (G9)."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.tenant import NOTES, NOW, Tenant, opening, record, removal
from syncline.storage.contract import Store
from syncline.storage.errors import DeviceNotFound, SessionNotFound
from syncline.storage.models import Refusal


class IsolationConformance:
    """Whatever one account does, another neither sees nor feels it."""

    @pytest.fixture
    def pair(self, store: Store) -> tuple[Tenant, Tenant]:
        """Two accounts of one store."""
        return Tenant(store), Tenant(store)

    def test_g9_equal_names_are_different_records(self, pair: tuple[Tenant, Tenant]) -> None:
        mine, other = pair
        mine.put("k", b"mine")
        other.write(record("k", b"other"), record("k", b"other", object_type="photo"))
        assert mine.store.get_records(mine.account_id, "note", ["k"])[0].frame == b"mine"
        assert mine.store.count_records(mine.account_id) == {"note": 1, "task": 0, "photo": 0}
        other.remove("k")
        assert mine.device().sync()[0].frame == b"mine"
        assert [row.key for row in mine.store.scan_records(mine.account_id, "note", after_key=None, limit=9)] == ["k"]

    def test_g9_heads_move_apart(self, pair: tuple[Tenant, Tenant]) -> None:
        mine, other = pair
        mine.put("a")
        before = mine.store.get_head(mine.account_id)
        other.write(record("a"), record("b"), removal("a"))
        other.store.renew_store_epoch(other.account_id)
        assert mine.store.get_head(mine.account_id) == before

    def test_g9_one_uuid_is_a_device_of_each(self, pair: tuple[Tenant, Tenant]) -> None:
        mine, other = pair
        device_uuid = mine.register("north")
        with pytest.raises(DeviceNotFound):
            other.store.get_device(other.account_id, device_uuid)
        other.store.register_device(other.account_id, device_uuid, now=NOW)
        mine_grants = mine.store.list_grants(mine.account_id, device_uuid)
        assert set(other.store.list_grants(other.account_id, device_uuid)) == {""}
        other.store.revoke_buckets(other.account_id, device_uuid, ["north", ""])
        other.store.open_stream(other.account_id, device_uuid, stream_id=9)
        assert mine.store.list_grants(mine.account_id, device_uuid) == mine_grants
        assert mine.store.get_device(mine.account_id, device_uuid).stream_id == 0

    def test_g9_sessions_are_not_found_from_outside(self, pair: tuple[Tenant, Tenant]) -> None:
        mine, other = pair
        device_uuid = mine.register()
        session = mine.session(device_uuid, always=True)
        other.store.register_device(other.account_id, device_uuid, now=NOW)
        with pytest.raises(SessionNotFound):
            other.store.get_session(
                other.account_id, device_uuid, session.session_id, now=NOW, expire_at=session.expire_at
            )

    def test_g9_epochs_and_rejections_count_at_home_only(self, pair: tuple[Tenant, Tenant]) -> None:
        mine, other = pair
        mine.put("x")
        other.put("x")
        device = mine.device()
        device.start()
        device.read()
        other.store.register_device(other.account_id, device.device_uuid, now=NOW)
        other.store.open_queue(other.account_id, device.device_uuid, opening())
        outcome = other.store.acknowledge(
            other.account_id, device.device_uuid, device.outbox.intervals, [], [Refusal("note", "x", 1, "")], now=NOW
        )
        assert set(outcome.taken) == {False}
        assert outcome.refusals_taken == (True,)
        assert mine.store.list_rejections(mine.account_id, device.device_uuid) == []
        positions = mine.store.list_positions(mine.account_id, device.device_uuid)
        assert {position.acked_through for position in positions} == {0}

    def test_g9_collection_stays_at_home(self, pair: tuple[Tenant, Tenant]) -> None:
        mine, other = pair
        for tenant in pair:
            tenant.put("x")
            tenant.remove("x")
        device_uuid = mine.register()
        collected = other.store.collect(other.account_id, devices_seen_before=NOW * 2, now=NOW * 2)
        assert (collected.tombstones, collected.devices_expired) == (1, 0)
        assert mine.store.get_records(mine.account_id, "note", ["x"]) != []
        assert mine.store.get_floor(mine.account_id, NOTES, "") == 0
        assert mine.store.get_device(mine.account_id, device_uuid).device_uuid == device_uuid
