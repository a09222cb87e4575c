"""Accounts and their heads."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.storage.conformance.tenant import Tenant, opening
from syncline.storage.contract import Store
from syncline.storage.errors import AccountNotFound, ResyncRequired


class AccountConformance:
    """`AccountStore`."""

    def test_a_new_account_stands_at_zero(self, store: Store) -> None:
        account_id = uuid4().hex
        head = store.create_account(account_id)
        assert head.revision == 0
        assert 0 < head.store_epoch < 1 << 63
        assert store.get_head(account_id) == head

    def test_creating_an_account_again_only_answers_its_head(self, tenant: Tenant) -> None:
        tenant.put("a")
        before = tenant.store.get_head(tenant.account_id)
        assert tenant.store.create_account(tenant.account_id) == before
        assert tenant.store.count_records(tenant.account_id)["note"] == 1

    def test_accounts_are_listed(self, tenant: Tenant) -> None:
        other = uuid4().hex
        tenant.store.create_account(other)
        listed = tenant.store.list_accounts()
        assert listed == sorted(listed)
        assert {tenant.account_id, other} <= set(listed)
        assert tenant.store.list_accounts(limit=1) == listed[:1]

    def test_store_epochs_differ(self, store: Store) -> None:
        epochs = {store.create_account(uuid4().hex).store_epoch for _ in range(5)}
        assert len(epochs) == 5

    def test_nothing_works_in_an_account_that_is_not_there(self, store: Store) -> None:
        account_id, device_uuid = uuid4().hex, uuid4()
        calls = (
            lambda: store.get_head(account_id),
            lambda: store.renew_store_epoch(account_id),
            lambda: store.read_schema(account_id),
            lambda: store.write_records(account_id, []),
            lambda: store.get_records(account_id, "note", ["a"]),
            lambda: store.count_records(account_id),
            lambda: store.register_device(account_id, device_uuid, now=1),
            lambda: store.get_device(account_id, device_uuid),
            lambda: store.count_devices(account_id),
            lambda: store.list_grants(account_id, device_uuid),
            lambda: store.open_queue(account_id, device_uuid, opening()),
            lambda: store.acknowledge(account_id, device_uuid, [], [], [], now=1),
            lambda: store.collect(account_id, devices_seen_before=1, now=1),
        )
        for call in calls:
            with pytest.raises(AccountNotFound):
                call()

    def test_a_new_store_epoch_keeps_the_revision(self, tenant: Tenant) -> None:
        tenant.put("a")
        before = tenant.store.get_head(tenant.account_id)
        after = tenant.store.renew_store_epoch(tenant.account_id)
        assert after.store_epoch != before.store_epoch
        assert after.revision >= before.revision
        assert tenant.store.get_head(tenant.account_id) == after

    @pytest.mark.parametrize("tells_positions", [True, False])
    def test_a_new_store_epoch_makes_every_device_resynchronise(self, tenant: Tenant, tells_positions: bool) -> None:
        tenant.put("a")
        device = tenant.device(tells_positions=tells_positions)
        device.sync()
        tenant.store.renew_store_epoch(tenant.account_id)
        with pytest.raises(ResyncRequired):
            device.start()
        device.start(full_resync=True)
        assert [item.key for piece in device.read().slices for item in piece.items] == ["a"]

    def test_a_new_store_epoch_ends_reading_in_the_middle(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.start()
        tenant.store.renew_store_epoch(tenant.account_id)
        with pytest.raises(ResyncRequired):
            device.read()
