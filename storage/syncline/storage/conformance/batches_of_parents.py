"""Requests of several batches, and the parents that stand for them."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import partial
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from syncline.storage.conformance.request_desk import LEASE_US, Desk, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.errors import BatchInvalid, LeaseLost, RequestEnded, RequestNotFound
from syncline.storage.request_models import (
    NEVER,
    Ending,
    Lease,
    Operation,
    Progress,
    RequestQuery,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.request_states import RequestStatus

FAILED, CANCELLED, SUCCESS = RequestStatus.FAILED, RequestStatus.CANCELLED, RequestStatus.SUCCESS


def ask_batch(desk: Desk, parent_id: str, number: int, total: int, **changes: Any) -> SyncRequest:
    """Make one batch."""
    return desk.ask(parent_id=parent_id, current_batch=number, total_batches=total, **changes)


def leased_batches(desk: Desk, parent_id: str, total: int) -> list[Lease]:
    """All batches of a parent, claimed."""
    for number in range(1, total + 1):
        ask_batch(desk, parent_id, number, total)
    return [desk.claimed() for _ in range(total)]


def unended(desk: Desk, *, everything: bool = False) -> list[SyncRequest]:
    """The account's requests that have not ended, or all of them."""
    requests = desk.store.list_requests(desk.account_id, RequestQuery())
    return [request for request in requests if everything or not request.status.is_final]


def cancel_if_possible(desk: Desk, request_id: str) -> None:
    """Cancel the request, unless the workers were quicker."""
    with suppress(RequestEnded):
        desk.cancel(request_id)


def work_until_all_ended(desk: Desk, worker: str, rng: random.Random) -> None:
    """Serve the account; now and then every lease is found to have run out."""
    while unended(desk):
        lease = desk.claim(worker=worker)
        now = desk.tenant.now()
        if lease is None or rng.random() < 0.2:
            desk.promote(now + 2 * LEASE_US)
        if lease is not None:
            with suppress(LeaseLost):
                desk.write(lease, row(lease.request_id, {"a": 1}))
                desk.end(lease, rng.choice(list(Ending)), due_at=now)


class BatchOfParentConformance:
    """Batches and their parents."""

    def test_the_first_batch_brings_its_parent(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollment_id, parent_id = desk.enroll(), str(uuid4())
        batch = ask_batch(
            desk,
            parent_id,
            2,
            3,
            enrollment_id=enrollment_id,
            operation=Operation.WRITE,
            payload=(b"x",),
            payload_kind="zip",
            idempotency_key="k",
        )
        assert (batch.parent_id, batch.current_batch, batch.total_batches) == (parent_id, 2, 3)
        parent = desk.get(parent_id)
        assert (parent.status, parent.operation) == (RequestStatus.READY, Operation.WRITE)
        assert (parent.parent_id, parent.current_batch, parent.total_batches) == (None, None, 3)
        assert (parent.enrollment_id, parent.payload_kind) == (enrollment_id, "")
        assert desk.store.read_payload(desk.account_id, parent_id, after=0) is None
        lease = desk.claimed()
        assert lease.request_id == batch.request_id
        desk.end(lease)
        desk.promote(tenant.now())
        assert desk.claim() is None
        assert desk.get(parent_id).status is RequestStatus.READY
        again = ask_batch(desk, parent_id, 2, 3, idempotency_key="k")
        assert again.request_id == batch.request_id

    def test_a_parent_is_never_due(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        batch = ask_batch(desk, str(uuid4()), 1, 2, due_at=1, now=1)
        assert desk.store.next_due() not in {1, NEVER}
        assert desk.promote(5) == 0
        desk.cancel(batch.request_id)

    def test_a_batch_belongs_where_it_says(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        parent_id, alone = str(uuid4()), desk.ask().request_id
        batch = ask_batch(desk, parent_id, 1, 2)
        for wrong in (
            partial(ask_batch, desk, alone, 1, 2),
            partial(ask_batch, desk, batch.request_id, 1, 2),
            partial(ask_batch, desk, parent_id, 2, 3),
            partial(ask_batch, desk, parent_id, 1, 2),
            partial(ask_batch, desk, parent_id, 2, 2, operation=Operation.CHECK),
            partial(ask_batch, desk, parent_id, 2, 2, enrollment_id=desk.enroll()),
            partial(ask_batch, desk, str(uuid4()), 0, 2),
            partial(ask_batch, desk, str(uuid4()), 3, 2),
            partial(ask_batch, desk, parent_id, 2, 2, request_id=parent_id),
            partial(desk.ask, parent_id=parent_id),
            partial(desk.ask, current_batch=1, total_batches=2),
        ):
            with pytest.raises(BatchInvalid):
                wrong()
        assert len(desk.store.list_requests(desk.account_id, RequestQuery())) == 3

    def test_one_of_many_gets_the_number(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())

        def ask(number: int) -> bool:
            try:
                ask_batch(desk, parent_id, number, 3)
            except BatchInvalid:
                return False
            return True

        assert sum(together(*(partial(ask, number % 3 + 1) for number in range(9)))) == 3
        assert len(desk.store.list_requests(desk.account_id, RequestQuery())) == 4

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_g11_a_parent_ends_with_the_last_of_its_batches(self, tenant: Tenant, order: tuple[int, ...]) -> None:
        desk = Desk(tenant)
        for endings, expected in (
            ((Ending.SUCCESS, Ending.SUCCESS, Ending.SUCCESS), SUCCESS),
            ((Ending.SUCCESS, Ending.FAILED, Ending.CANCELLED), FAILED),
            ((Ending.SUCCESS, Ending.SUCCESS, Ending.CANCELLED), CANCELLED),
        ):
            parent_id = str(uuid4())
            leases = leased_batches(desk, parent_id, 3)
            for place in order:
                assert desk.get(parent_id).status is RequestStatus.READY
                desk.end(leases[place], endings[place])
            assert desk.get(parent_id).status is expected

    def test_g11_a_parent_ends_when_its_batches_end_at_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        for _ in range(3):
            parent_id = str(uuid4())
            leases = leased_batches(desk, parent_id, 6)
            together(*(partial(desk.end, lease) for lease in leases))
            assert desk.get(parent_id).status is SUCCESS

    def test_g11_a_parent_ends_by_a_batch_that_was_cancelled_or_lost(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())
        ask_batch(desk, parent_id, 1, 3, due_at=1, now=1)
        lost = desk.claimed(now=1, lease_us=4)
        waiting = ask_batch(desk, parent_id, 2, 3, due_at=1 << 60)
        ask_batch(desk, parent_id, 3, 3)
        desk.end(desk.claimed())
        desk.cancel(waiting.request_id)
        assert desk.get(parent_id).status is RequestStatus.READY
        assert desk.promote(9, failures_max=1) == 1
        assert desk.get(lost.request_id).status is FAILED
        assert desk.get(parent_id).status is FAILED
        other_id = str(uuid4())
        first = ask_batch(desk, other_id, 1, 1)
        desk.cancel(first.request_id)
        assert desk.get(other_id).status is CANCELLED

    def test_a_parent_waits_for_batches_to_come_and_to_be_tried_again(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())
        ask_batch(desk, parent_id, 1, 2)
        desk.end(desk.claimed())
        assert desk.get(parent_id).status is RequestStatus.READY
        ask_batch(desk, parent_id, 2, 2)
        due = tenant.now()
        desk.end(desk.claimed(), Ending.TRY_AGAIN, due_at=due)
        assert desk.get(parent_id).status is RequestStatus.READY
        desk.promote(due)
        desk.end(desk.claimed())
        assert desk.get(parent_id).status is SUCCESS
        with pytest.raises(BatchInvalid):
            ask_batch(desk, parent_id, 2, 2)
        with pytest.raises(RequestEnded):
            desk.cancel(parent_id)

    def test_cancelling_a_parent_cancels_its_batches(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())
        requests = [ask_batch(desk, parent_id, number, 5) for number in (1, 2, 3)]
        ended, running = desk.claimed(), desk.claimed()
        desk.end(ended)
        cancelled = desk.cancel(parent_id)
        assert cancelled.status is CANCELLED
        assert [desk.get(request.request_id).status for request in requests] == [
            SUCCESS,
            RequestStatus.IN_PROGRESS,
            CANCELLED,
        ]
        assert desk.write(running).cancel_asked
        desk.end(running, Ending.FAILED)
        assert desk.get(running.request_id).status is CANCELLED
        assert desk.get(parent_id) == cancelled
        assert desk.cancel(parent_id) == cancelled
        with pytest.raises(BatchInvalid):
            ask_batch(desk, parent_id, 4, 5)

    def test_a_parent_sums_its_batches_up(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())
        first, second = leased_batches(desk, parent_id, 2)
        desk.write(first, row("a", {"a": 1}), bytes=3, estimate=7)
        desk.write(second, row("a", {"a": 1}), row("t", {"a": 1}, object_type="task"), bytes=4, estimate=2)
        parent = desk.get(parent_id)
        assert parent.progress == Progress(read=3, inserted=2, skipped=1, bytes=7, estimate=9)
        listed = desk.store.list_requests(desk.account_id, RequestQuery())
        assert parent in listed
        assert desk.store.count_types(desk.account_id, parent_id) == {
            "note": TypeCounts(inserted=1, skipped=1),
            "task": TypeCounts(inserted=1),
        }
        assert desk.store.list_details(desk.account_id, parent_id, after=0, limit=9).details == ()

    def test_g11_everything_at_once_ends_everything_once(self, tenant: Tenant) -> None:
        """Workers end as they like and lose their leases, others cancel: parents, batches and records agree."""
        desk, parents = Desk(tenant), [str(uuid4()) for _ in range(4)]
        batches = [ask_batch(desk, parent_id, number, 4) for parent_id in parents for number in range(1, 5)]
        together(
            *(partial(work_until_all_ended, desk, f"worker {seed}", random.Random(seed)) for seed in range(5)),
            partial(cancel_if_possible, desk, parents[0]),
            partial(cancel_if_possible, desk, batches[4].request_id),
        )
        for parent_id in parents:
            children = [desk.get(batch.request_id) for batch in batches if batch.parent_id == parent_id]
            states = {child.status for child in children}
            expected = next(state for state in (FAILED, CANCELLED, SUCCESS) if state in states)
            parent = desk.get(parent_id)
            assert parent.status is expected or (parent_id == parents[0] and parent.status is CANCELLED)
            assert parent.progress.inserted == sum(child.progress.inserted for child in children)
        written = {request.request_id for request in unended(desk, everything=True) if request.progress.inserted}
        assert written - set(parents) == set(desk.live())

    def test_g9_a_parent_is_of_one_account(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        parent_id = str(uuid4())
        ask_batch(mine, parent_id, 1, 1)
        theirs = ask_batch(other, parent_id, 1, 1)
        with pytest.raises(RequestNotFound):
            mine.get(theirs.request_id)
        other.cancel(parent_id)
        mine.end(mine.claimed())
        assert mine.get(parent_id).status is SUCCESS
        assert other.get(parent_id).status is CANCELLED
