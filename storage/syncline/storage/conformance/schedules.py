"""Schedules of enrollments: whose time has come, and making its request once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from syncline.storage.conformance.request_desk import Desk
from syncline.storage.conformance.tenant import SECOND, Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.errors import InvalidValue
from syncline.storage.request_models import Enrollment, Operation, RequestQuery, Schedule, SyncRequest
from syncline.storage.request_states import RequestStatus

NIGHTLY = Schedule("0 3 * * *", "Europe/Berlin", 60, Operation.READ, run_full_sync=False)
HOUR = 3600 * SECOND
SCHEDULES_MAX = 1_000
"""More than the tests of a suite leave behind."""


def planned(desk: Desk, *, due_at: int, **changes: Any) -> Enrollment:
    """A new enrollment whose schedule is due then."""
    made = desk.enrollment(**{"schedule": NIGHTLY, "next_run_at": due_at, **changes})
    return desk.store.put_enrollment(desk.account_id, made, expected_modified_at=None)


def stored(desk: Desk, enrollment: Enrollment) -> Enrollment:
    """The enrollment as it stands."""
    return desk.store.get_enrollment(desk.account_id, enrollment.enrollment_id)


def due(desk: Desk, now: int) -> list[Enrollment]:
    """What is due then, of this account."""
    found = desk.store.due_schedules(now=now, limit=SCHEDULES_MAX)
    return [enrollment for account_id, enrollment in found if account_id == desk.account_id]


def run(desk: Desk, enrollment: Enrollment, *, next_run_at: int, **changes: Any) -> SyncRequest | None:
    """Run its schedule; the changes are fields of `NewRequest`."""
    new = desk.new(**{"enrollment_id": enrollment.enrollment_id, "by": "schedule", **changes})
    return desk.store.run_schedule(desk.account_id, enrollment, next_run_at=next_run_at, new=new, now=desk.tenant.now())


def requests(desk: Desk) -> list[SyncRequest]:
    """All of the account."""
    return desk.store.list_requests(desk.account_id, RequestQuery())


class ScheduleConformance:
    """`ScheduleStore`."""

    def test_what_is_due_is_found_the_longest_due_first(self, tenant: Tenant) -> None:
        desk, other = Desk(tenant), Desk(Tenant(tenant.store))
        now = tenant.now()
        due_at = [planned(desk, due_at=now - ago).next_run_at for ago in (2, 9, 0)]
        planned(desk, due_at=now + 1)
        planned(desk, due_at=now - 5, enabled=False)
        planned(desk, due_at=0)
        desk.enroll()
        mine = planned(other, due_at=now - 7)
        assert [one.next_run_at for one in due(desk, now)] == sorted(due_at)
        assert due(other, now) == [mine]
        assert due(desk, now - 10) == []
        found = tenant.store.due_schedules(now=now, limit=SCHEDULES_MAX)
        assert found == sorted(found, key=lambda one: one[1].next_run_at)
        assert tenant.store.due_schedules(now=now, limit=2) == found[:2]

    def test_g11_a_time_that_came_makes_one_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        enrollment = planned(desk, due_at=now)
        request = run(desk, enrollment, next_run_at=now + HOUR, run_full_sync=True)
        assert request is not None
        assert (request.status, request.modified_by) == (RequestStatus.CONNECTOR, "schedule")
        assert (request.enrollment_id, request.run_full_sync) == (enrollment.enrollment_id, True)
        assert desk.get(request.request_id) == request
        after = stored(desk, enrollment)
        assert after == replace(enrollment, next_run_at=now + HOUR, scheduled_request_id=request.request_id)
        assert due(desk, now) == []
        assert desk.claimed().request_id == request.request_id

    def test_g11_who_comes_late_makes_no_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        enrollment = planned(desk, due_at=now)
        assert run(desk, enrollment, next_run_at=now + HOUR) is not None
        desk.end(desk.claimed())
        assert run(desk, enrollment, next_run_at=now + 2 * HOUR) is None
        assert stored(desk, enrollment).next_run_at == now + HOUR
        assert len(requests(desk)) == 1

    def test_g11_one_of_many_workers_makes_the_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        for _ in range(3):
            enrollment = planned(desk, due_at=now)
            runs = [partial(run, desk, enrollment, next_run_at=now + number * HOUR) for number in range(1, 7)]
            won = [(number, request) for number, request in enumerate(together(*runs), 1) if request is not None]
            assert len(won) == 1
            number, request = won[0]
            after = stored(desk, enrollment)
            assert (after.next_run_at, after.scheduled_request_id) == (now + number * HOUR, request.request_id)
            assert [one for one in requests(desk) if one.enrollment_id == enrollment.enrollment_id] == [request]

    @pytest.mark.parametrize("state", ["ready", "connector", "in_progress"])
    def test_g11_runs_do_not_pile_up(self, tenant: Tenant, state: str) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        due_at = now + HOUR if state == "ready" else now
        first = run(desk, planned(desk, due_at=now), next_run_at=now, due_at=due_at)
        assert first is not None
        lease = desk.claimed() if state == "in_progress" else None
        assert desk.get(first.request_id).status.value == state
        (enrollment,) = due(desk, now)
        assert run(desk, enrollment, next_run_at=now + HOUR) is None
        moved = stored(desk, enrollment)
        assert (moved.next_run_at, moved.scheduled_request_id) == (now + HOUR, first.request_id)
        assert len(requests(desk)) == 1
        if lease is None:
            desk.cancel(first.request_id)
        else:
            desk.end(lease)
        second = run(desk, moved, next_run_at=now + 2 * HOUR)
        assert second is not None
        assert stored(desk, enrollment).scheduled_request_id == second.request_id

    def test_requests_that_others_ask_for_hold_up_no_schedule(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        enrollment = planned(desk, due_at=now)
        desk.ask(enrollment_id=enrollment.enrollment_id)
        assert run(desk, enrollment, next_run_at=now + HOUR) is not None

    def test_g11_a_known_key_makes_no_second_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        enrollment = planned(desk, due_at=now)
        known = desk.ask(enrollment_id=enrollment.enrollment_id, idempotency_key="tick", payload_hash=b"other")
        assert run(desk, enrollment, next_run_at=now + HOUR, idempotency_key="tick") is None
        assert (stored(desk, enrollment).next_run_at, requests(desk)) == (now + HOUR, [known])

    @pytest.mark.parametrize("change", ["name", "schedule", "disabled", "removed"])
    def test_g11_what_was_changed_meanwhile_makes_no_request(self, tenant: Tenant, change: str) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        enrollment = planned(desk, due_at=now)
        changes: dict[str, Callable[[], Enrollment]] = {
            "name": lambda: replace(enrollment, name="other"),
            "schedule": lambda: replace(enrollment, schedule=replace(NIGHTLY, run_full_sync=True)),
            "disabled": lambda: replace(enrollment, enabled=False, next_run_at=0),
        }
        if change == "removed":
            desk.store.remove_enrollment(desk.account_id, enrollment.enrollment_id)
        else:
            wanted = replace(changes[change](), modified_at=enrollment.modified_at + 1)
            desk.store.put_enrollment(desk.account_id, wanted, expected_modified_at=enrollment.modified_at)
        assert run(desk, enrollment, next_run_at=now + HOUR) is None
        assert requests(desk) == []
        if change != "removed":
            assert stored(desk, enrollment) == wanted

    def test_a_change_of_something_else_keeps_the_time(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        before = planned(desk, due_at=now)
        request = run(desk, before, next_run_at=now + HOUR)
        assert request is not None
        # It was read before the schedule ran, and is stored only now.
        wanted = replace(before, name="other", modified_at=before.modified_at + 1)
        answered = desk.store.put_enrollment(desk.account_id, wanted, expected_modified_at=before.modified_at)
        kept = replace(wanted, next_run_at=now + HOUR, scheduled_request_id=request.request_id)
        assert answered == stored(desk, before) == kept

    @pytest.mark.parametrize(
        "changes",
        [
            {"schedule": replace(NIGHTLY, cron="0 4 * * *"), "next_run_at": 7},
            {"schedule": None, "next_run_at": 0},
            {"enabled": False, "next_run_at": 0},
        ],
        ids=["another", "none", "disabled"],
    )
    def test_a_change_of_the_schedule_sets_the_time(self, tenant: Tenant, changes: dict[str, Any]) -> None:
        desk = Desk(tenant)
        before = planned(desk, due_at=tenant.now())
        wanted = replace(before, modified_at=before.modified_at + 1, **changes)
        desk.store.put_enrollment(desk.account_id, wanted, expected_modified_at=before.modified_at)
        assert stored(desk, before) == wanted

    def test_a_last_time_leaves_no_next_one(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        enrollment = planned(desk, due_at=now)
        assert run(desk, enrollment, next_run_at=0) is not None
        assert (stored(desk, enrollment).next_run_at, due(desk, now + HOUR)) == (0, [])

    def test_a_schedule_that_cannot_be_kept_is_refused(self, tenant: Tenant) -> None:
        for schedule in (replace(NIGHTLY, cron="a\x00b"), replace(NIGHTLY, time_zone="a\x00b")):
            with pytest.raises(InvalidValue):
                Desk(tenant).enroll(schedule=schedule)

    def test_g9_schedules_are_not_run_from_outside(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        now = mine.tenant.now()
        enrollment = planned(mine, due_at=now)
        assert run(other, enrollment, next_run_at=now + HOUR) is None
        assert stored(mine, enrollment) == enrollment
        assert requests(other) == []
