"""Where reading starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.storage.conformance.tenant import MEDIA, NOTES, Tenant, numbered, told
from syncline.storage.errors import ResyncRequired
from syncline.storage.models import AckInterval, Feed, Position, SessionFeed, Told

DEFAULT = Feed(NOTES, "")


def only(entries: tuple[SessionFeed, ...]) -> SessionFeed:
    """The entry of the default feed."""
    (entry,) = [entry for entry in entries if entry.position.feed == DEFAULT]
    return entry


class PositionConformance:
    """`open_queue`: the table of positions in docs/architecture.md, line by line."""

    def test_a_first_session_loads_every_feed(self, tenant: Tenant) -> None:
        tenant.put("a")
        device_uuid = tenant.register("", "north")
        opened = tenant.open(device_uuid)
        feeds = [Feed(MEDIA, ""), Feed(MEDIA, "north"), Feed(NOTES, ""), Feed(NOTES, "north")]
        assert sorted(entry.position.feed for entry in opened.feeds) == feeds
        assert {entry.start for entry in opened.feeds} == {0}
        assert {entry.position.head_at_start for entry in opened.feeds} == {tenant.head()}
        assert len({entry.position.epoch for entry in opened.feeds}) == 4
        assert len({entry.position.load_id for entry in opened.feeds}) == 4

    def test_a_load_is_stored_before_the_queue_is_open(self, tenant: Tenant) -> None:
        tenant.put("a")
        device_uuid = tenant.register()
        opened = tenant.open(device_uuid)
        kept = tenant.store.list_positions(tenant.account_id, device_uuid)
        assert sorted(kept, key=lambda position: position.feed) == sorted(
            (entry.position for entry in opened.feeds), key=lambda position: position.feed
        )

    def test_a_position_told_decides_and_acknowledges(self, tenant: Tenant) -> None:
        tenant.write(*numbered(5))
        device_uuid = tenant.register()
        first = only(tenant.open(device_uuid).feeds)
        head = tenant.store.get_head(tenant.account_id)
        reached = told(first, 3, store_epoch=head.store_epoch)
        entry = only(tenant.open(device_uuid, told=(reached,)).feeds)
        assert entry.start == 3
        assert (entry.position.load_id, entry.position.epoch) == (first.position.load_id, first.position.epoch)
        (kept,) = [
            position
            for position in tenant.store.list_positions(tenant.account_id, device_uuid)
            if position.feed == DEFAULT
        ]
        assert (kept.acked_through, kept.acked_beyond) == (3, ())

    def test_a_feed_that_is_not_told_beside_others_is_loaded(self, tenant: Tenant) -> None:
        tenant.put("p", object_type="photo")
        device_uuid = tenant.register()
        opened = tenant.open(device_uuid)
        epoch = tenant.store.get_head(tenant.account_id).store_epoch
        before = only(opened.feeds)
        again = tenant.open(device_uuid, told=(told(before, tenant.head(), store_epoch=epoch),))
        loads = {entry.position.feed: (entry.start, entry.position.load_id) for entry in again.feeds}
        old = {entry.position.feed: entry.position.load_id for entry in opened.feeds}
        assert loads[DEFAULT] == (tenant.head(), old[DEFAULT])
        assert loads[Feed(MEDIA, "")][0] == 0
        assert loads[Feed(MEDIA, "")][1] != old[Feed(MEDIA, "")]

    def test_a_device_that_tells_nothing_starts_at_what_it_acknowledged(self, tenant: Tenant) -> None:
        tenant.write(*numbered(6))
        device_uuid = tenant.register()
        epoch = only(tenant.open(device_uuid).feeds).position.epoch
        acked = [AckInterval(epoch, 0, 2), AckInterval(epoch, 3, 4)]
        tenant.store.acknowledge(tenant.account_id, device_uuid, acked, [], [], now=tenant.now())
        session = tenant.session(device_uuid)
        assert only(session.feeds).start == 2
        assert session.skip_acked
        read = tenant.read(device_uuid, session)
        assert [item.revision for piece in read.slices for item in piece.items] == [3, 5, 6]

    def test_a_device_put_back_from_a_copy_gets_all_again(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device = tenant.device()
        device.sync()
        copy = device.file.copy()
        tenant.write(*numbered(3, prefix="later"))
        device.sync()
        before = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        device.file = copy
        assert {item.key for item in device.sync()} == {"later00000", "later00001", "later00002"}
        after = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert {position.epoch for position in before}.isdisjoint(position.epoch for position in after)

    def test_a_position_of_an_epoch_left_behind_begins_another(self, tenant: Tenant) -> None:
        tenant.put("a")
        device_uuid = tenant.register()
        first = only(tenant.open(device_uuid).feeds)
        epoch = tenant.store.get_head(tenant.account_id).store_epoch
        reached = told(first, tenant.head(), store_epoch=epoch)
        strange = replace(reached, epoch=first.position.epoch ^ 1)
        second = only(tenant.open(device_uuid, told=(strange,)).feeds)
        assert second.position.epoch not in {first.position.epoch, strange.epoch}
        third = only(tenant.open(device_uuid, told=(reached,)).feeds)
        assert third.position.epoch not in {first.position.epoch, second.position.epoch}

    def test_a_position_of_another_grant_is_a_new_load(self, tenant: Tenant) -> None:
        tenant.put("a")
        device_uuid = tenant.register()
        first = only(tenant.open(device_uuid).feeds)
        epoch = tenant.store.get_head(tenant.account_id).store_epoch
        other = replace(told(first, tenant.head(), store_epoch=epoch), grant_id=first.position.grant_id ^ 1)
        entry = only(tenant.open(device_uuid, told=(other,)).feeds)
        assert entry.start == 0
        assert entry.position.load_id != first.position.load_id

    def test_positions_of_another_history_or_beyond_the_head_are_refused(self, tenant: Tenant) -> None:
        tenant.put("a")
        device_uuid = tenant.register()
        before = tenant.open(device_uuid)
        head = tenant.store.get_head(tenant.account_id)
        right = told(only(before.feeds), head.revision, store_epoch=head.store_epoch)
        for wrong in (replace(right, store_epoch=right.store_epoch ^ 1), replace(right, revision=head.revision + 1)):
            with pytest.raises(ResyncRequired) as caught:
                tenant.open(device_uuid, told=(wrong,))
            assert caught.value.feeds == (DEFAULT,)
            with pytest.raises(ResyncRequired):
                tenant.open(device_uuid, told=(wrong,), always=True)
        kept = tenant.store.list_positions(tenant.account_id, device_uuid)
        assert {position.load_id for position in kept} == {entry.position.load_id for entry in before.feeds}

    def test_a_full_resync_loads_whatever_is_told(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device_uuid = tenant.register()
        first = only(tenant.open(device_uuid).feeds)
        epoch = tenant.store.get_head(tenant.account_id).store_epoch
        reached = told(first, tenant.head(), store_epoch=epoch)
        session = tenant.session(device_uuid, told=(reached,), full_resync=True)
        assert not session.skip_acked
        assert only(session.feeds).start == 0
        assert only(session.feeds).position.load_id != first.position.load_id
        read = tenant.read(device_uuid, session)
        assert len([item for piece in read.slices for item in piece.items]) == 3

    def test_acknowledgements_of_an_abandoned_session_hide_nothing(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device = tenant.device(tells_positions=False)
        device.start()
        device.read()
        late = device.outbox
        device.start(full_resync=True)
        outcome = tenant.store.acknowledge(
            tenant.account_id, device.device_uuid, late.intervals, [], [], now=tenant.now()
        )
        assert set(outcome.taken) == {False}
        device.start()
        assert len([item for piece in device.read().slices for item in piece.items]) == 3

    def test_acknowledgements_from_before_a_rewind_are_stale(self, tenant: Tenant) -> None:
        tenant.write(*numbered(4))
        device = tenant.device()
        device.start()
        device.read(max_items=2)
        copy = device.file.copy()
        device.acknowledge()
        device.read()
        late = device.outbox
        tenant.store.acknowledge(tenant.account_id, device.device_uuid, late.intervals, [], [], now=tenant.now())
        device.file = copy
        device.start()
        again = tenant.store.acknowledge(
            tenant.account_id, device.device_uuid, late.intervals, [], [], now=tenant.now()
        )
        assert set(again.taken) == {False}
        kept = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        assert {position.acked_through for position in kept} == {max(told.revision for told in copy.positions.values())}

    def test_session_feeds_and_list_positions_agree_in_every_number(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.sync()
        kept: list[Position] = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        stored: dict[Feed, Told] = device.file.positions
        for position in kept:
            mine = stored[position.feed]
            assert (position.grant_id, position.load_id, position.epoch) == (mine.grant_id, mine.load_id, mine.epoch)
