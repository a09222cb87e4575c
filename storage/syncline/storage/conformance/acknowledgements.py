"""Acknowledging: any order, late, twice, foreign, with gaps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

import pytest

from syncline.storage.conformance.tenant import NOTES, Tenant, numbered, record
from syncline.storage.errors import LimitReached
from syncline.storage.models import AckInterval, AckOutcome, AckRedelivered, Feed, Interval, Position

DEFAULT = Feed(NOTES, "")


class Acker:
    """One device with a position in the default feed."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.device_uuid: UUID = tenant.register()
        self.session = tenant.session(self.device_uuid, always=True)
        self.epoch = self.position().epoch

    def position(self) -> Position:
        """The position of the default feed."""
        positions = self.tenant.store.list_positions(self.tenant.account_id, self.device_uuid)
        return next(position for position in positions if position.feed == DEFAULT)

    def acknowledge(self, *intervals: tuple[int, int]) -> AckOutcome:
        """Acknowledge intervals of the default feed."""
        return self.send([AckInterval(self.epoch, above, through) for above, through in intervals])

    def send(self, intervals: Sequence[AckInterval]) -> AckOutcome:
        """Acknowledge any intervals."""
        return self.tenant.store.acknowledge(
            self.tenant.account_id, self.device_uuid, intervals, [], [], now=self.tenant.now()
        )


class AcknowledgementConformance:
    """`acknowledge` and positions."""

    def test_an_interval_from_the_start_moves_the_position(self, tenant: Tenant) -> None:
        tenant.write(*numbered(5))
        acker = Acker(tenant)
        assert acker.acknowledge((0, 3)).taken == (True,)
        assert (acker.position().acked_through, acker.position().acked_beyond) == (3, ())

    def test_a_gap_stays_until_it_is_filled(self, tenant: Tenant) -> None:
        tenant.write(*numbered(6))
        acker = Acker(tenant)
        assert acker.acknowledge((2, 3), (4, 5)).taken == (True, True)
        assert acker.position().acked_through == 0
        assert acker.position().acked_beyond == (Interval(2, 3), Interval(4, 5))
        acker.acknowledge((0, 1))
        assert acker.position().acked_through == 1
        acker.acknowledge((1, 2))
        assert (acker.position().acked_through, acker.position().acked_beyond) == (3, (Interval(4, 5),))
        acker.acknowledge((3, 6))
        assert (acker.position().acked_through, acker.position().acked_beyond) == (6, ())

    def test_repeats_and_what_is_known_are_not_taken(self, tenant: Tenant) -> None:
        tenant.write(*numbered(6))
        acker = Acker(tenant)
        acker.acknowledge((0, 2), (4, 5))
        before = acker.position()
        assert acker.acknowledge((0, 2), (1, 2), (4, 5)).taken == (False, False, False)
        assert acker.acknowledge((3, 3), (5, 4)).taken == (False, False)
        assert acker.position() == before

    def test_a_repeat_in_one_call_is_taken_once(self, tenant: Tenant) -> None:
        tenant.write(*numbered(2))
        assert Acker(tenant).acknowledge((0, 1), (0, 1)).taken == (True, False)

    def test_any_order_comes_to_the_same(self, tenant: Tenant) -> None:
        tenant.write(*numbered(30))
        pieces = [(number, number + 1) for number in range(30)]
        for seed in range(3):
            acker = Acker(tenant)
            shuffled = random.Random(seed).sample(pieces * 2, k=60)
            for start in range(0, 60, 7):
                acker.acknowledge(*shuffled[start : start + 7])
            assert (acker.position().acked_through, acker.position().acked_beyond) == (30, ())

    def test_an_unknown_epoch_is_not_taken(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        acker = Acker(tenant)
        assert acker.send([AckInterval(acker.epoch ^ 1, 0, 3), AckInterval(0, 0, 3)]).taken == (False, False)
        assert acker.position().acked_through == 0

    def test_an_epoch_counts_for_its_own_feed(self, tenant: Tenant) -> None:
        tenant.write(record("n"), record("p", object_type="photo"))
        acker = Acker(tenant)
        acker.acknowledge((0, 2))
        positions = tenant.store.list_positions(tenant.account_id, acker.device_uuid)
        assert {position.feed.scope: position.acked_through for position in positions} == {"notes": 2, "media": 0}

    def test_another_devices_epoch_is_not_taken(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        mine, other = Acker(tenant), Acker(tenant)
        assert mine.send([AckInterval(other.epoch, 0, 3)]).taken == (False,)
        assert (mine.position().acked_through, other.position().acked_through) == (0, 0)

    def test_an_interval_is_clamped_to_the_head(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        acker = Acker(tenant)
        assert acker.acknowledge((0, (1 << 63) - 1)).taken == (True,)
        assert acker.position().acked_through == tenant.head()
        assert acker.acknowledge((tenant.head(), tenant.head() + 5)).taken == (False,)

    def test_what_changed_in_a_gap_is_no_gap(self, tenant: Tenant) -> None:
        tenant.write(*numbered(4))
        acker = Acker(tenant)
        acker.acknowledge((2, 4))
        assert acker.position().acked_through == 0
        tenant.write(record("n00000", b"new"), record("n00001", b"new"))
        acker.acknowledge((5, 6))
        assert acker.position().acked_through == 4

    def test_g2_acknowledging_an_old_revision_does_not_hide_the_new_one(self, tenant: Tenant) -> None:
        tenant.put("a", b"1")
        device = tenant.device(tells_positions=False)
        device.start()
        device.read()
        tenant.put("a", b"2")
        device.acknowledge()
        device.start()
        assert [item.frame for piece in device.read().slices for item in piece.items] == [b"2"]

    def test_a_thousand_gaps_are_the_most(self, tenant: Tenant) -> None:
        tenant.write(*numbered(2004))
        acker = Acker(tenant)
        acker.acknowledge(*((number, number + 1) for number in range(1, 2000, 2)))
        before = acker.position()
        assert len(before.acked_beyond) == 1000
        with pytest.raises(LimitReached):
            acker.acknowledge((2002, 2003))
        assert acker.position() == before
        acker.acknowledge((0, 1), (2002, 2003))
        assert len(acker.position().acked_beyond) == 1000

    def test_nothing_to_acknowledge_is_fine(self, tenant: Tenant) -> None:
        outcome = Acker(tenant).acknowledge()
        assert outcome == AckOutcome((), (), (), ())

    def test_an_item_that_was_never_refused_is_not_taken_as_sent_again(self, tenant: Tenant) -> None:
        acker = Acker(tenant)
        outcome = tenant.store.acknowledge(
            tenant.account_id, acker.device_uuid, [], [AckRedelivered((1 << 64) - 1, 1)], [], now=tenant.now()
        )
        assert outcome.redelivered_taken == (False,)
