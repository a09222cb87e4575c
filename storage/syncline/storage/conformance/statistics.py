"""Figures of all accounts together.

A suite keeps one store for all of its tests: sums are compared with those before, and what is the worst of all is
made so bad that nothing of an earlier test is worse.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from uuid import uuid4

import pytest

from syncline.storage.conformance.batches_of_parents import ask_batch
from syncline.storage.conformance.rejections import refuse_x
from syncline.storage.conformance.request_desk import Desk
from syncline.storage.conformance.tenant import HOUR, MEDIA, NOW, SCOPES, SECOND, Tenant, numbered, record, schema
from syncline.storage.contract import Store
from syncline.storage.models import AckInterval, Feed
from syncline.storage.request_models import Ending, Operation
from syncline.storage.request_states import RequestStatus
from syncline.storage.statistics_models import IN_TOUCH_US, DeviceStanding, Statistics

_DAYS = count(1)


def far() -> int:
    """A time so long after all that other tests did, that none of their devices is in touch any more."""
    return NOW + (1_000_000 + next(_DAYS)) * 2 * IN_TOUCH_US


class Clocked(Tenant):
    """An account of a time of its own, of which all figures of devices in touch are."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.start = far()
        self._clock = count(1)

    def now(self) -> int:
        """The next second of that time."""
        return self.start + next(self._clock) * SECOND

    def figures(self, *, now: int | None = None) -> Statistics:
        """What the store tells."""
        return self.store.read_statistics(now=self.now() if now is None else now)


class StatisticsConformance:
    """`StatisticsStore`."""

    @pytest.fixture
    def clocked(self, store: Store) -> Clocked:
        """An account with the only devices that are in touch."""
        return Clocked(store)

    def test_devices_are_in_touch_away_or_expired(self, clocked: Clocked) -> None:
        before = clocked.figures().devices
        device_uuid = clocked.register()
        seen = clocked.store.get_device(clocked.account_id, device_uuid).last_contact

        def added(now: int) -> list[int]:
            now_there = clocked.figures(now=now).devices
            assert now_there.keys() == set(DeviceStanding)
            return [now_there[each] - before[each] for each in DeviceStanding]

        assert added(seen + IN_TOUCH_US) == [1, 0, 0]
        assert added(seen + IN_TOUCH_US + 1) == [0, 1, 0]
        clocked.store.collect(clocked.account_id, devices_seen_before=seen + 1, now=seen)
        assert added(seen) == [0, 0, 1]

    def test_a_store_whose_devices_are_all_away_lags_nowhere(self, clocked: Clocked) -> None:
        clocked.put("a")
        clocked.session(clocked.register(), now=clocked.now())
        figures = clocked.figures(now=far())
        assert (figures.lag_max, figures.lag_median, figures.oldest_item_age) == (0, 0, 0)
        assert (figures.holes_max, figures.holes_total) == (0, 0)

    def test_lag_is_how_far_the_newest_row_of_a_feed_is_ahead(self, clocked: Clocked) -> None:
        clocked.write(*numbered(3))
        devices = [clocked.device() for _ in range(4)]
        for device in devices:
            device.sync()
        assert (clocked.figures().lag_max, clocked.figures().lag_median) == (0, 0)
        read = clocked.head()
        clocked.put("a", object_type="photo")
        devices[0].sync()
        newest = clocked.put("b")
        devices[1].sync()
        figures = clocked.figures()
        assert (figures.lag_max, figures.lag_median) == (newest - read, newest - (read + 1))
        clocked.put("in another bucket", bucket="north")
        assert clocked.figures().lag_max == newest - read
        clocked.remove("b")
        assert clocked.figures().lag_max == newest - read + 2

    def test_what_left_a_bucket_is_still_to_be_told(self, clocked: Clocked) -> None:
        clocked.put("a", bucket="north")
        device = clocked.device("north")
        device.sync()
        read = clocked.head()
        moved = clocked.write(record("a", b"moved", bucket="south", modified_at=clocked.start)).revisions[0]
        figures = clocked.figures(now=clocked.start + HOUR)
        assert (figures.lag_max, figures.oldest_item_age) == (moved - read, HOUR)
        device.sync()
        assert (clocked.figures().lag_max, clocked.figures().oldest_item_age) == (0, 0)

    def test_the_age_of_what_a_device_has_not_passed(self, clocked: Clocked) -> None:
        behind, ahead = clocked.device(), clocked.device()
        for device in (behind, ahead):
            device.sync()
        for hours in (5, 3, 1):
            clocked.write(record(f"{hours} hours old", modified_at=clocked.start - hours * HOUR))
            if hours > 1:
                ahead.sync()
        assert clocked.figures(now=clocked.start).oldest_item_age == 5 * HOUR
        behind.sync()
        assert clocked.figures(now=clocked.start).oldest_item_age == HOUR
        ahead.sync()
        assert clocked.figures(now=clocked.start).oldest_item_age == 0
        clocked.write(record("of a clock that is ahead", modified_at=clocked.start + HOUR))
        assert clocked.figures(now=clocked.start).oldest_item_age == 0

    def test_what_a_load_brings_waits_since_it_began(self, clocked: Clocked) -> None:
        clocked.write(record("old", modified_at=NOW))
        loading = clocked.device()
        loading.start()
        figures = clocked.figures()
        assert (figures.oldest_item_age, figures.lag_max) == (0, clocked.head())
        clocked.write(record("new", modified_at=clocked.start))
        assert clocked.figures(now=clocked.start + HOUR).oldest_item_age == HOUR

    def test_a_scope_without_a_type_is_no_device_s_business(self, clocked: Clocked) -> None:
        device = clocked.device()
        clocked.put("a", object_type="photo")
        device.sync()
        moved = {**SCOPES, "photo": "albums"}
        clocked.store.write_schema(clocked.account_id, schema(moved), expected_version=1)
        device.sync()
        assert {"albums", MEDIA} <= {
            place.feed.scope for place in clocked.store.list_positions(clocked.account_id, device.device_uuid)
        }
        assert clocked.figures().lag_max == 0

    def test_holes_are_gaps_before_what_is_acknowledged(self, clocked: Clocked) -> None:
        clocked.write(*numbered(600))
        for intervals in ([(2, 3), (5, 6), (300, 500)], [(7, 8)]):
            device_uuid = clocked.register()
            session = clocked.session(device_uuid, always=True, now=clocked.now())
            epoch = next(entry.position.epoch for entry in session.feeds if entry.position.feed == Feed("notes", ""))
            told = [AckInterval(epoch, *interval) for interval in intervals]
            clocked.store.acknowledge(clocked.account_id, device_uuid, told, [], [], now=clocked.now())
        figures = clocked.figures()
        assert (figures.holes_max, figures.holes_total) == (3, 4)

    def test_refused_items_until_they_are_parked(self, clocked: Clocked) -> None:
        clocked.put("x")
        before, device = clocked.figures(), clocked.device()
        device.sync(refuses=refuse_x)
        once = clocked.figures()
        assert (once.refused_items, once.parked_items) == (before.refused_items + 1, before.parked_items)
        for _ in range(4):
            device.sync(refuses=refuse_x)
        parked = clocked.figures()
        assert (parked.refused_items, parked.parked_items) == (before.refused_items, before.parked_items + 1)

    def test_requests_that_have_not_ended(self, clocked: Clocked) -> None:
        desk = Desk(clocked)
        before = clocked.figures().requests
        assert before.keys() == {RequestStatus.READY, RequestStatus.CONNECTOR, RequestStatus.IN_PROGRESS}

        def added() -> list[int]:
            return [number - before[status] for status, number in clocked.figures().requests.items()]

        ask_batch(desk, str(uuid4()), 1, 2)
        desk.ask(due_at=clocked.start + HOUR)
        assert added() == [2, 1, 0]
        lease = desk.claimed()
        assert added()[2] == 1
        desk.end(lease)
        assert added()[2] == 0

    def test_the_age_of_what_is_due_for_the_longest_time(self, clocked: Clocked) -> None:
        desk = Desk(clocked)
        assert clocked.figures(now=0).oldest_due_age == 0
        first_of_all = 5
        waiting = desk.ask(due_at=first_of_all, now=first_of_all)
        assert clocked.figures(now=clocked.start).oldest_due_age == clocked.start - first_of_all
        lease = desk.claimed()
        assert lease.request_id == waiting.request_id
        desk.end(lease, Ending.TRY_AGAIN, due_at=first_of_all + 1)
        assert desk.get(waiting.request_id).status is RequestStatus.READY
        assert clocked.figures(now=first_of_all).oldest_due_age == 0
        assert clocked.figures(now=first_of_all + 3).oldest_due_age == 2
        desk.cancel(waiting.request_id)
        assert clocked.figures(now=first_of_all + 3).oldest_due_age == 0

    def test_an_enrollment_fails_until_a_run_of_it_does_not(self, clocked: Clocked) -> None:
        desk = Desk(clocked)
        enrollment_id = desk.enroll()
        before = clocked.figures().failing_enrollments

        def run(ending: Ending, operation: Operation = Operation.READ) -> int:
            lease = desk.lease(enrollment_id=enrollment_id, operation=operation)
            desk.end(lease, ending)
            return clocked.figures().failing_enrollments - before

        assert run(Ending.SUCCESS) == 0
        assert run(Ending.FAILED) == 1
        assert run(Ending.SUCCESS, Operation.CHECK) == 1
        desk.ask(enrollment_id=enrollment_id)
        assert clocked.figures().failing_enrollments - before == 1
        desk.end(desk.claimed())
        assert clocked.figures().failing_enrollments == before
        assert run(Ending.FAILED, Operation.WRITE) == 1
        known = clocked.store.get_enrollment(clocked.account_id, enrollment_id)
        disabled = replace(known, enabled=False, modified_at=known.modified_at + 1)
        clocked.store.put_enrollment(clocked.account_id, disabled, expected_modified_at=known.modified_at)
        assert clocked.figures().failing_enrollments == before

    def test_tombstones_and_departures_are_counted_until_they_are_collected(self, clocked: Clocked) -> None:
        before = clocked.figures()
        clocked.write(*numbered(3, bucket="north"))
        clocked.write(*numbered(1, bucket="south"))
        clocked.remove("n00001")
        clocked.remove("n00002")
        kept = clocked.figures()
        assert (kept.tombstones - before.tombstones, kept.departures - before.departures) == (2, 1)
        clocked.store.collect(clocked.account_id, devices_seen_before=0, now=clocked.now())
        after = clocked.figures()
        assert (after.tombstones, after.departures) == (before.tombstones, before.departures)
