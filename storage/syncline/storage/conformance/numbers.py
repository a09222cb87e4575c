"""Numbers at the edges of signed 64 bits."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.tenant import Tenant, numbered, record, removal
from syncline.storage.models import AckInterval, AckRedelivered, Refusal

MOST = (1 << 63) - 1
LEAST = -(1 << 63)


class NumberConformance:
    """Nothing is rounded, cut off, or wraps around."""

    @pytest.mark.parametrize("moment", [LEAST, -1, 0, 1, (1 << 53) + 1, MOST])
    def test_times_are_exact(self, tenant: Tenant, moment: int) -> None:
        tenant.write(record("a", modified_at=moment), record("b"), removal("b", modified_at=moment))
        rows = tenant.store.get_records(tenant.account_id, "note", ["a", "b"])
        assert {row.modified_at for row in rows} == {moment}
        (item,) = tenant.device().sync()
        assert item.modified_at == moment

    def test_a_device_clock_may_say_anything(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        tenant.store.touch_device(tenant.account_id, device_uuid, now=MOST)
        assert tenant.store.get_device(tenant.account_id, device_uuid).last_contact == MOST

    def test_intervals_up_to_the_edge_are_clamped(self, tenant: Tenant) -> None:
        tenant.write(*numbered(4))
        device = tenant.device()
        opened = device.start()
        epoch = next(entry.position.epoch for entry in opened.feeds if entry.position.feed.scope == "notes")
        intervals = [AckInterval(epoch, MOST - 1, MOST), AckInterval(MOST, 0, MOST), AckInterval(epoch, 2, MOST)]
        outcome = tenant.store.acknowledge(tenant.account_id, device.device_uuid, intervals, [], [], now=tenant.now())
        assert outcome.taken == (False, False, True)
        outcome = tenant.store.acknowledge(
            tenant.account_id, device.device_uuid, [AckInterval(epoch, 0, 2)], [], [], now=tenant.now()
        )
        positions = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert {position.acked_through for position in positions if position.feed.scope == "notes"} == {tenant.head()}

    def test_digests_are_unsigned(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        redelivered = [AckRedelivered(digest, MOST) for digest in (0, MOST, 1 << 63, (1 << 64) - 1)]
        outcome = tenant.store.acknowledge(tenant.account_id, device_uuid, [], redelivered, [], now=tenant.now())
        assert outcome.redelivered_taken == (False, False, False, False)

    def test_a_refusal_beyond_the_item_is_not_taken(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.start()
        outcome = tenant.store.acknowledge(
            tenant.account_id, device.device_uuid, [], [], [Refusal("note", "a", MOST, "")], now=tenant.now()
        )
        assert outcome.refusals_taken == (False,)
