"""Claiming sync requests, keeping the lease, losing it, ending the attempt (G11)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from syncline.storage.conformance.request_desk import ANY_NUMBER, FAILURES_MAX, LEASE_US, Desk, row
from syncline.storage.conformance.tenant import SECOND, Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.errors import BatchOutOfOrder, InvalidValue, LeaseLost
from syncline.storage.request_models import (
    EXTERNAL_CONNECTOR,
    ClaimLimits,
    Ending,
    Lease,
    Operation,
    Progress,
)
from syncline.storage.request_states import RequestStatus


def calls_of_a_worker(desk: Desk, lease: Lease) -> list[Callable[[], Any]]:
    """All that needs the lease."""
    return [
        partial(desk.store.renew_lease, lease, lease_us=SECOND, now=desk.tenant.now()),
        partial(desk.write, lease, row("stray", {"a": 1}), deleted_keys=(("note", "s"),)),
        partial(desk.write, lease, row("stray", {"a": 1}), number=2),
        partial(desk.store.count_unseen, lease, ["note"]),
        partial(desk.sweep, lease, "note"),
        *(partial(desk.end, lease, ending) for ending in Ending),
    ]


def claim_all(desk: Desk, worker: int) -> list[str]:
    """Claim until there is nothing more."""
    claimed = []
    while (lease := desk.claim(worker=f"worker {worker}")) is not None:
        claimed.append(lease.request_id)
    return claimed


class ClaimingConformance:
    """`WorkStore`, without its rows."""

    def test_a_claim_gets_what_is_due_for_the_longest_time(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        due = [desk.ask(due_at=now - ago, now=now).request_id for ago in (2, 9, 5)]
        desk.ask(due_at=now + 1, now=now)
        claimed = [desk.claimed().request_id for _ in range(3)]
        assert claimed == [due[1], due[2], due[0]]
        assert desk.claim() is None

    def test_a_claimed_request_is_leased(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask()
        now = tenant.now()
        lease = desk.claimed(worker="w", lease_us=7, now=now)
        assert (lease.account_id, lease.request_id, lease.attempt) == (desk.account_id, request.request_id, 1)
        running = desk.get(request.request_id)
        assert (running.status, running.worker, running.lease_until) == (RequestStatus.IN_PROGRESS, "w", now + 7)
        assert (running.modified_at, running.modified_by) == (now, "w")
        assert desk.store.renew_lease(lease, lease_us=9, now=now + 5).lease_until == now + 14
        assert desk.get(request.request_id).lease_until == now + 14
        with pytest.raises(InvalidValue):
            desk.claim(worker="a\x00b")

    def test_g11_workers_never_share_a_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        asked = {desk.ask().request_id for _ in range(30)}
        claimed = [
            one for part in together(*(partial(claim_all, desk, worker) for worker in range(20))) for one in part
        ]
        assert len(claimed) == len(set(claimed)) == 30
        assert set(claimed) == asked

    def test_g11_one_enrollment_runs_once_at_a_time(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollments = [desk.enroll(), desk.enroll()]
        for _ in range(4):
            for enrollment_id in enrollments:
                desk.ask(enrollment_id=enrollment_id)
        for _ in range(4):
            leases = [lease for lease in together(*[desk.claim] * 6) if lease is not None]
            running = [desk.get(lease.request_id).enrollment_id for lease in leases]
            assert sorted(running, key=str) == sorted(enrollments)
            assert desk.claim() is None
            for lease in leases:
                desk.end(lease)
        assert desk.claim() is None

    def test_g11_an_account_runs_so_many_at_a_time(self, tenant: Tenant) -> None:
        desk, other = Desk(tenant), Desk(Tenant(tenant.store))
        for _ in range(8):
            desk.ask()
        limits = ClaimLimits(per_account=3)
        leases = [lease for lease in together(*[partial(desk.claim, limits=limits)] * 8) if lease is not None]
        assert len(leases) == 3
        assert desk.claim(limits=limits) is None
        theirs = other.ask()
        lease = tenant.store.claim_request(worker="w", limits=limits, lease_us=LEASE_US, now=tenant.now())
        assert lease is not None
        assert lease.request_id == theirs.request_id
        desk.end(leases[0])
        assert desk.claim(limits=limits) is not None

    def test_workers_outside_get_requests_of_their_own(self, store: Store) -> None:
        desk, other = Desk(Tenant(store)), Desk(Tenant(store))
        outside = desk.enroll(connector=EXTERNAL_CONNECTOR)
        desk.ask(enrollment_id=outside)
        assert desk.claim() is None
        assert other.claim(external=True) is None
        first = desk.claimed(external=True)
        assert desk.get(first.request_id).enrollment_id == outside
        desk.end(first)
        inside = [
            desk.ask(enrollment_id=outside, payload=(b"x",), payload_kind="zip"),
            desk.ask(),
            desk.ask(enrollment_id=desk.enroll()),
        ]
        assert desk.claim(external=True) is None
        assert {desk.claimed().request_id for _ in inside} == {request.request_id for request in inside}

    def test_what_is_due_is_promoted(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask(due_at=7, now=6)
        assert desk.store.next_due() == 7
        assert desk.promote(6) == 0
        assert desk.promote(7) == 1
        assert desk.get(request.request_id).status is RequestStatus.CONNECTOR
        assert desk.promote(7) == 0
        lease = desk.claimed(lease_us=3, now=8)
        assert desk.store.next_due() == 11
        assert desk.promote(10) == 0
        desk.end(lease)
        assert desk.promote(99) == 0

    def test_g11_a_lease_that_runs_out_is_a_failed_attempt(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask(due_at=1, now=1)
        for failures in range(1, FAILURES_MAX + 1):
            start = 10 * failures
            desk.promote(start)
            lease = desk.claimed(now=start, lease_us=5)
            assert lease.attempt == failures
            desk.promote(start + 5)
            lost = desk.get(request.request_id)
            assert (lost.failure_count, lost.worker, lost.lease_until) == (failures, "", 0)
            assert lost.result_message != ""
            with pytest.raises(LeaseLost):
                desk.write(lease)
        assert lost.status is RequestStatus.FAILED
        assert desk.claim() is None

    def test_g11_a_lapsed_attempt_is_ready_and_due_at_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask(due_at=1, now=1)
        desk.claimed(now=1, lease_us=4)
        assert desk.promote(6) == 1
        lost = desk.get(request.request_id)
        assert (lost.status, lost.due_at, lost.modified_at) == (RequestStatus.READY, 6, 6)
        assert desk.promote(6) == 1
        desk.end(desk.claimed(now=7))

    def test_g11_a_lapsed_request_that_was_cancelled_stays_so(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask(due_at=1, now=1)
        desk.claimed(now=1, lease_us=4)
        desk.cancel(request.request_id)
        assert desk.promote(6) == 1
        assert desk.get(request.request_id).status is RequestStatus.CANCELLED

    def test_g11_a_lease_runs_out_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask(due_at=1, now=1)
        desk.claimed(now=1, lease_us=4)
        # At the same time nothing else is due so early: what moves is this request, to READY and then on.
        moved = sum(together(*[partial(desk.promote, 6)] * 6))
        assert desk.get(request.request_id).failure_count == 1
        assert moved + desk.promote(6) == 2
        desk.end(desk.claimed(now=7))

    def test_g11_who_lost_the_lease_does_nothing_more(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollment_id = desk.enroll(read_cursor='"before"')
        desk.run(row("s", {"a": 1}), enrollment_id=enrollment_id)
        request = desk.ask(due_at=1, now=1, enrollment_id=enrollment_id, run_full_sync=True)
        slow = desk.claimed(now=1)
        desk.write(slow, row("s2", {"a": 1}), cursor='"1"', now=1)
        for _ in range(2):
            desk.promote(LEASE_US + 1)
        stranded = desk.get(request.request_id)
        for call in calls_of_a_worker(desk, slow):
            with pytest.raises(LeaseLost):
                call()
        assert desk.get(request.request_id) == stranded
        fast = desk.claimed()
        assert (fast.request_id, fast.attempt) == (request.request_id, 2)
        running, head = desk.get(request.request_id), tenant.head()
        for call in calls_of_a_worker(desk, slow):
            with pytest.raises(LeaseLost):
                call()
        assert desk.get(request.request_id) == running
        assert tenant.head() == head
        assert desk.live() == {"s": {"a": 1}, "s2": {"a": 1}}
        assert set(desk.store.known_sources(desk.account_id, enrollment_id, "note", ["s", "stray"])) == {"s"}
        assert desk.store.get_enrollment(desk.account_id, enrollment_id).read_cursor == '"before"'
        desk.write(fast, row("s3", {"a": 1}))
        assert desk.end(fast).status is RequestStatus.SUCCESS

    def test_a_lease_that_nobody_took_goes_on(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        late = tenant.now() + 10 * LEASE_US
        assert desk.write(lease, now=late).lease_until == late + LEASE_US
        desk.promote(late)
        assert desk.end(lease, now=late).status is RequestStatus.SUCCESS

    def test_g11_a_request_ends_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        ended = desk.end(lease)
        for call in calls_of_a_worker(desk, lease):
            with pytest.raises(LeaseLost):
                call()
        assert desk.get(lease.request_id) == ended
        assert desk.live() == {}

    def test_g9_a_lease_is_of_one_account(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        lease = mine.lease()
        stolen = Lease(other.account_id, lease.request_id, lease.token, lease.attempt)
        for call in calls_of_a_worker(other, stolen):
            with pytest.raises(LeaseLost):
                call()
        assert mine.end(lease).status is RequestStatus.SUCCESS

    def test_a_lease_on_nothing_is_lost(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        for call in calls_of_a_worker(desk, Lease(desk.account_id, str(uuid4()), 1, 1)):
            with pytest.raises(LeaseLost):
                call()

    def test_g11_another_attempt_goes_on_where_the_last_one_was(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, row("a", {"a": 1}), cursor='"1"', bytes=5, estimate=9)
        desk.write(lease, row("b", {"a": 1}), cursor='"2"', number=2, bytes=5, estimate=8)
        due = tenant.now() + SECOND
        later = desk.end(lease, Ending.TRY_AGAIN, message="the network", due_at=due)
        assert (later.status, later.due_at, later.failure_count) == (RequestStatus.READY, due, 1)
        assert (later.result_message, later.worker, later.lease_until) == ("the network", "", 0)
        assert later == desk.get(lease.request_id)
        desk.promote(due)
        again = desk.claimed()
        assert again.attempt == 2
        assert desk.get(again.request_id).cursor == '"2"'
        for number in (0, 2, 3):
            with pytest.raises(BatchOutOfOrder):
                desk.write(again, row("stray", {}), number=number)
        progress = desk.write(again, row("b", {"a": 1}), row("c", {"a": 1})).progress
        assert progress == Progress(read=4, inserted=3, skipped=1, bytes=10, estimate=9)
        assert desk.end(again).failure_count == 1

    def test_the_last_attempt_fails(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.ask()
        for failures in range(1, FAILURES_MAX + 1):
            now = tenant.now()
            desk.promote(now)
            ended = desk.end(desk.claimed(), Ending.TRY_AGAIN, due_at=now)
            assert ended.failure_count == failures
        assert ended.status is RequestStatus.FAILED

    @pytest.mark.parametrize("cancel", [False, True], ids=["running", "cancelled"])
    @pytest.mark.parametrize("ending", list(Ending))
    def test_g11_an_attempt_ends_as_its_worker_says(self, tenant: Tenant, ending: Ending, cancel: bool) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        if cancel:
            desk.cancel(lease.request_id)
        now = tenant.now()
        ended = desk.end(lease, ending, message="ä" * 250 + "\x00", now=now)
        expected = {
            Ending.SUCCESS: RequestStatus.SUCCESS,
            Ending.FAILED: RequestStatus.CANCELLED if cancel else RequestStatus.FAILED,
            Ending.CANCELLED: RequestStatus.CANCELLED,
            Ending.TRY_AGAIN: RequestStatus.CANCELLED if cancel else RequestStatus.READY,
            Ending.GIVEN_BACK: RequestStatus.CANCELLED if cancel else RequestStatus.READY,
        }
        assert ended.status is expected[ending]
        assert (ended.result_message, ended.modified_at, ended.modified_by) == ("ä" * 200, now, "worker")
        assert desk.get(lease.request_id) == ended

    def test_a_worker_that_stops_is_no_failure_of_the_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.ask()
        for attempt in range(1, FAILURES_MAX + 3):
            now = tenant.now()
            desk.promote(now)
            lease = desk.claimed()
            assert lease.attempt == attempt
            given_back = desk.end(lease, Ending.GIVEN_BACK, due_at=now)
            assert (given_back.status, given_back.failure_count) == (RequestStatus.READY, 0)
        desk.promote(tenant.now())
        assert desk.end(desk.claimed(), Ending.TRY_AGAIN).status is RequestStatus.READY

    @pytest.mark.parametrize("operation", list(Operation))
    def test_success_moves_the_enrollments_cursor_on(self, tenant: Tenant, operation: Operation) -> None:
        desk = Desk(tenant)
        enrollment_id = desk.enroll(read_cursor="r", write_cursor="w")

        def cursors(ending: Ending, **changes: Any) -> tuple[str, str]:
            lease = desk.lease(enrollment_id=enrollment_id, operation=operation, **changes)
            if ending is not Ending.CANCELLED:
                desk.write(lease, cursor="new")
            desk.end(lease, ending)
            enrollment = desk.store.get_enrollment(desk.account_id, enrollment_id)
            return enrollment.read_cursor, enrollment.write_cursor

        assert cursors(Ending.FAILED) == cursors(Ending.CANCELLED) == ("r", "w")
        assert cursors(Ending.SUCCESS, payload=(b"x",), payload_kind="zip") == ("r", "w")
        empty = desk.lease(enrollment_id=enrollment_id, operation=operation)
        desk.end(empty)
        moved = {Operation.READ: ("new", "w"), Operation.WRITE: ("r", "new"), Operation.CHECK: ("r", "w")}
        assert cursors(Ending.SUCCESS) == moved[operation]

    def test_a_claim_with_many_accounts_is_fair_by_time(self, store: Store) -> None:
        desks = [Desk(Tenant(store)) for _ in range(3)]
        asked = [desk.ask(due_at=place + 1, now=place + 1) for place, desk in enumerate(desks)]
        for request in asked:
            lease = store.claim_request(worker="w", limits=ANY_NUMBER, lease_us=LEASE_US, now=desks[0].tenant.now())
            assert lease is not None
            assert lease.request_id == request.request_id
            desks[0].end(lease)
