"""Full runs that come as several batches: their parent deletes what none of them has seen, once all have succeeded."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from syncline.storage.conformance.request_desk import LEASE_US, Desk, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.errors import BatchInvalid, LeaseLost
from syncline.storage.request_models import (
    EXTERNAL_CONNECTOR,
    NEVER,
    ClaimLimits,
    Ending,
    Lease,
    Operation,
    Progress,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.request_states import RequestStatus

KEYS = ("s0", "s1", "s2", "s3", "s4", "s5")


class Upload:
    """A full run of several batches."""

    def __init__(self, desk: Desk, total: int, enrollment_id: str | None) -> None:
        self.desk = desk
        self.enrollment_id = enrollment_id
        self.parent_id = str(uuid4())
        self.total = total

    @property
    def parent(self) -> SyncRequest:
        """The parent as it stands."""
        return self.desk.get(self.parent_id)

    def ask(self, number: int, **changes: Any) -> SyncRequest:
        """Make one batch."""
        asked = {
            "parent_id": self.parent_id,
            "current_batch": number,
            "total_batches": self.total,
            "enrollment_id": self.enrollment_id,
            "run_full_sync": True,
            **changes,
        }
        return self.desk.ask(**asked)

    def load(self, number: int, keys: Iterable[str], ending: Ending = Ending.SUCCESS) -> None:
        """Make one batch, run it, and end it so."""
        made = self.ask(number)
        lease = self.desk.claimed()
        assert lease.request_id == made.request_id
        self.desk.write(lease, *(row(key, {"a": 0}) for key in keys))
        self.desk.end(lease, ending)

    def claim_parent(self) -> Lease:
        """Promote and claim the parent, which is due."""
        self.desk.promote(self.desk.tenant.now())
        lease = self.desk.claimed()
        assert lease.request_id == self.parent_id
        return lease


def begin(tenant: Tenant, total: int, *, enrolled: bool = True) -> Upload:
    """A full run of so many batches, none of which has come, where the notes `KEYS` were loaded before."""
    desk = Desk(tenant)
    enrollment_id = desk.enroll() if enrolled else None
    desk.run(*(row(key, {"a": 0}) for key in KEYS), enrollment_id=enrollment_id)
    return Upload(desk, total, enrollment_id)


class SweepingParentConformance:
    """Parents of full runs."""

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_g11_batches_in_any_order_are_one_full_run(self, tenant: Tenant, order: tuple[int, ...]) -> None:
        upload = begin(tenant, 3)
        parts = (("s0", "s1"), ("s1", "new"), ("s2",))
        for place in order:
            upload.load(place + 1, parts[place])
            assert set(upload.desk.live()) >= set(KEYS)
            if place != order[-1]:
                assert (upload.parent.status, upload.parent.due_at) == (RequestStatus.READY, NEVER)
                upload.desk.promote(tenant.now())
                assert upload.desk.claim() is None
        assert (upload.parent.status, upload.parent.result_message) == (RequestStatus.READY, "")
        assert upload.parent.due_at == upload.parent.modified_at
        lease = upload.claim_parent()
        assert upload.desk.store.count_unseen(lease, ["note"]) == (3, 7)
        assert upload.desk.sweep(lease, "note") == 0
        assert set(upload.desk.live()) == {"s0", "s1", "s2", "new"}
        assert upload.desk.end(lease).status is RequestStatus.SUCCESS

    def test_g11_batches_that_end_at_once_let_their_parent_run_once(self, tenant: Tenant) -> None:
        upload = begin(tenant, 6, enrolled=False)
        for number in range(1, 7):
            upload.ask(number)
        leases = [upload.desk.claimed() for _ in range(6)]
        together(*(partial(upload.desk.end, lease) for lease in leases))
        upload.desk.promote(tenant.now())
        claims = together(*(partial(upload.desk.claim, worker=str(worker)) for worker in range(4)))
        assert [lease.request_id for lease in claims if lease is not None] == [upload.parent_id]

    @pytest.mark.parametrize(
        ("ending", "status"),
        [(Ending.FAILED, RequestStatus.FAILED), (Ending.CANCELLED, RequestStatus.CANCELLED)],
        ids=["failed", "cancelled"],
    )
    def test_g11_nothing_is_swept_unless_all_batches_succeeded(
        self, tenant: Tenant, ending: Ending, status: RequestStatus
    ) -> None:
        upload = begin(tenant, 2)
        upload.load(1, ["s0"], ending)
        upload.load(2, ["s1"])
        assert (upload.parent.status, upload.parent.result_message) == (status, "1 of 2 batches succeeded")
        upload.desk.promote(tenant.now())
        assert upload.desk.claim() is None
        assert set(upload.desk.live()) == set(KEYS)

    def test_only_a_full_read_sweeps(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        for changes in ({"run_full_sync": False}, {"operation": Operation.WRITE}, {"operation": Operation.CHECK}):
            upload = Upload(desk, 1, None)
            upload.ask(1, **changes)
            desk.end(desk.claimed())
            assert (upload.parent.status, upload.parent.due_at) == (RequestStatus.SUCCESS, NEVER)

    def test_the_batches_of_a_full_run_are_all_full(self, tenant: Tenant) -> None:
        upload = begin(tenant, 2)
        upload.ask(1)
        with pytest.raises(BatchInvalid):
            upload.ask(2, run_full_sync=False)

    def test_a_parent_counts_what_it_swept_beside_its_batches(self, tenant: Tenant) -> None:
        upload = begin(tenant, 2)
        upload.load(1, ["s0", "s1", "new"])
        upload.load(2, ["s2"])
        lease = upload.claim_parent()
        now = tenant.now()
        swept = upload.desk.store.sweep_unseen(lease, ["note"], limit=2, lease_us=LEASE_US, now=now)
        expected = Progress(read=4, inserted=1, skipped=3, deleted=2)
        assert (swept.left, swept.result.written, swept.result.progress) == (1, True, expected)
        assert (upload.parent.progress, upload.parent.modified_at) == (expected, now)
        upload.desk.sweep(lease, "note")
        ended = upload.desk.end(lease)
        assert ended == upload.parent
        assert ended.progress.deleted == 3
        assert upload.desk.store.count_types(upload.desk.account_id, upload.parent_id) == {
            "note": TypeCounts(inserted=1, skipped=3, deleted=3)
        }

    def test_g11_a_sweep_that_was_lost_or_given_back_goes_on(self, tenant: Tenant) -> None:
        upload = begin(tenant, 1)
        upload.load(1, ["s0"])
        lost = upload.claim_parent()
        assert upload.desk.sweep(lost, "note", limit=2) == 3
        upload.desk.promote(tenant.now() + 2 * LEASE_US)
        assert (upload.parent.status, upload.parent.failure_count) == (RequestStatus.READY, 1)
        with pytest.raises(LeaseLost):
            upload.desk.sweep(lost, "note")
        upload.desk.promote(tenant.now() + 2 * LEASE_US)
        again = upload.desk.claimed()
        assert upload.desk.sweep(again, "note", limit=1) == 2
        upload.desk.end(again, Ending.GIVEN_BACK, due_at=tenant.now())
        assert (upload.parent.status, upload.parent.failure_count) == (RequestStatus.READY, 1)
        last = upload.claim_parent()
        assert upload.desk.sweep(last, "note") == 0
        assert upload.desk.end(last).progress.deleted == 5
        assert set(upload.desk.live()) == {"s0"}

    def test_g11_a_sweep_that_never_succeeds_fails_its_parent(self, tenant: Tenant) -> None:
        upload = begin(tenant, 1)
        upload.load(1, ["s0"])
        ended = upload.desk.end(upload.claim_parent(), Ending.TRY_AGAIN, failures_max=1)
        assert ended.status is RequestStatus.FAILED
        assert set(upload.desk.live()) == set(KEYS)

    def test_a_parent_can_be_cancelled_until_it_has_swept(self, tenant: Tenant) -> None:
        due = begin(tenant, 1)
        due.load(1, ["s0"])
        assert due.desk.cancel(due.parent_id).status is RequestStatus.CANCELLED
        running = Upload(due.desk, 1, due.enrollment_id)
        running.load(1, ["s0"])
        lease = running.claim_parent()
        running.desk.sweep(lease, "note", limit=2)
        asked = running.desk.cancel(running.parent_id)
        assert (asked.status, asked.cancel_asked) == (RequestStatus.IN_PROGRESS, True)
        assert running.desk.store.renew_lease(lease, lease_us=LEASE_US, now=tenant.now()).cancel_asked
        assert running.desk.end(lease, Ending.CANCELLED).status is RequestStatus.CANCELLED
        assert len(running.desk.live()) == 4

    def test_nothing_else_of_the_enrollment_runs_while_its_parent_sweeps(self, tenant: Tenant) -> None:
        upload = begin(tenant, 1)
        upload.load(1, ["s0"])
        lease = upload.claim_parent()
        upload.desk.ask(enrollment_id=upload.enrollment_id)
        assert upload.desk.claim() is None
        upload.desk.end(lease)
        assert upload.desk.claim() is not None

    def test_who_runs_the_batches_sweeps(self, tenant: Tenant) -> None:
        """What is uploaded for workers outside is loaded by the server's own, and so is its parent run."""
        upload = begin(tenant, 1)
        enrollment_id = upload.desk.enroll(connector=EXTERNAL_CONNECTOR)
        upload.ask(1, enrollment_id=enrollment_id, payload=(b"x",), payload_kind="zip")
        upload.desk.end(upload.desk.claimed())
        upload.desk.promote(tenant.now())
        assert upload.desk.claim(external=True) is None
        lease = upload.desk.claimed(limits=ClaimLimits(per_account=1))
        assert lease.request_id == upload.parent_id

    def test_g10_two_full_runs_of_batches_leave_what_the_other_brought(self, tenant: Tenant) -> None:
        one = begin(tenant, 2)
        two = Upload(one.desk, 2, one.enrollment_id)
        one.load(1, ["s0", "s1"])
        two.load(1, ["s1", "s2"])
        two.load(2, [])
        lease = two.claim_parent()
        assert two.desk.sweep(lease, "note") == 0  # while the other one is open
        two.desk.end(lease)
        assert set(two.desk.live()) == {"s0", "s1", "s2"}
        one.load(2, ["new"])
        lease = one.claim_parent()
        assert one.desk.sweep(lease, "note") == 0  # after the other one has ended
        assert set(one.desk.live()) == {"s0", "s1", "s2", "new"}

    def test_g10_a_full_run_between_batches_and_they_leave_what_the_other_brought(self, tenant: Tenant) -> None:
        upload = begin(tenant, 2)
        upload.load(1, ["s0", "s1"])
        single = upload.desk.lease(enrollment_id=upload.enrollment_id, run_full_sync=True)
        upload.desk.write(single, row("s1", {"a": 0}), row("s2", {"a": 0}))
        assert upload.desk.sweep(single, "note") == 0
        upload.desk.end(single)
        assert set(upload.desk.live()) == {"s0", "s1", "s2"}
        upload.load(2, ["new"])
        lease = upload.claim_parent()
        assert upload.desk.store.count_unseen(lease, ["note"]) == (0, 4)
        upload.desk.end(lease)

    def test_what_a_parent_brought_that_was_given_up_is_swept_by_the_next_full_run(self, tenant: Tenant) -> None:
        upload = begin(tenant, 2)
        upload.load(1, ["s0"])
        upload.desk.cancel(upload.parent_id)
        single = upload.desk.lease(enrollment_id=upload.enrollment_id, run_full_sync=True)
        upload.desk.write(single, row("s1", {"a": 0}))
        assert upload.desk.sweep(single, "note") == 0
        assert set(upload.desk.live()) == {"s1"}
