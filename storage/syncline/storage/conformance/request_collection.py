"""Collection of payloads and requests that have ended."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.storage.conformance.batches_of_parents import ask_batch, leased_batches
from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.sync_requests import detail
from syncline.storage.conformance.tenant import SECOND, Tenant
from syncline.storage.errors import PayloadGone, RequestNotFound
from syncline.storage.request_models import (
    NEVER,
    Detail,
    Ending,
    PayloadState,
    RequestQuery,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.request_states import RequestStatus

CHUNKS = (b"one", b"two", b"three")
LATER = 10**9 * SECOND


def ended(desk: Desk, ending: Ending, **changes: object) -> SyncRequest:
    """A request with a payload that has ended."""
    lease = desk.lease(payload=CHUNKS, payload_kind="zip", **changes)
    return desk.end(lease, ending)


def chunks_left(desk: Desk, request_id: str) -> int:
    """How many chunks of the payload can still be read."""
    after, count = 0, 0
    while (found := desk.store.read_payload(desk.account_id, request_id, after=after)) is not None:
        after, count = found[0], count + 1
    return count


def drop_payloads(desk: Desk, *, ended_before: int = NEVER, limit: int = 100) -> int:
    """Collect payloads; how many chunks went."""
    return desk.store.collect_payloads(desk.account_id, ended_before=ended_before, limit=limit)


def drop_requests(desk: Desk, *, ended_before: int = NEVER, limit: int = 100) -> int:
    """Collect requests; how many rows went."""
    return desk.store.collect_requests(desk.account_id, ended_before=ended_before, limit=limit)


def there(desk: Desk) -> set[str]:
    """The ids of all requests of the account."""
    return {request.request_id for request in desk.store.list_requests(desk.account_id, RequestQuery())}


class RequestCollectionConformance:
    """`collect_payloads` and `collect_requests`."""

    def test_the_payload_of_a_success_goes_at_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        waiting = desk.ask(payload=CHUNKS, payload_kind="zip", due_at=tenant.now() + LATER)
        done = ended(desk, Ending.SUCCESS)
        assert drop_payloads(desk, ended_before=0) == 3
        assert drop_payloads(desk, ended_before=0) == 0
        assert [chunks_left(desk, one.request_id) for one in (done, waiting)] == [0, 3]
        after = desk.get(done.request_id)
        assert (after.payload_state, after.modified_at) == (PayloadState.GONE, done.modified_at)
        assert desk.get(waiting.request_id).payload_state is PayloadState.KEPT

    @pytest.mark.parametrize("how", ["failed", "cancelled"])
    def test_the_payload_of_what_can_be_retried_goes_when_its_time_has_come(self, tenant: Tenant, how: str) -> None:
        desk = Desk(tenant)
        if how == "failed":
            request = ended(desk, Ending.FAILED)
        else:
            request = desk.cancel(desk.ask(payload=CHUNKS, payload_kind="zip").request_id)
        assert request.status is RequestStatus(how)
        assert drop_payloads(desk, ended_before=request.modified_at) == 0
        assert desk.ask(retry_of=request.request_id).retry_of == request.request_id
        assert drop_payloads(desk, ended_before=request.modified_at + 1) == 3
        with pytest.raises(PayloadGone):
            desk.ask(retry_of=request.request_id)

    def test_a_payload_goes_in_steps_and_is_not_retried_in_between(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        first, second = ended(desk, Ending.FAILED), ended(desk, Ending.FAILED)
        assert drop_payloads(desk, limit=2) == 2
        assert [chunks_left(desk, one.request_id) for one in (first, second)] in ([1, 3], [3, 1])
        states = {one.request_id: desk.get(one.request_id).payload_state for one in (first, second)}
        assert sorted(state.value for state in states.values()) == ["going", "kept"]
        going = next(request_id for request_id, state in states.items() if state is PayloadState.GOING)
        with pytest.raises(PayloadGone):
            desk.ask(retry_of=going)
        assert [drop_payloads(desk, limit=2) for _ in range(3)] == [2, 2, 0]
        assert {desk.get(one.request_id).payload_state for one in (first, second)} == {PayloadState.GONE}

    def test_a_retry_that_was_made_is_answered_again_without_the_payload(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        failed = ended(desk, Ending.FAILED)
        new = desk.new(retry_of=failed.request_id, idempotency_key="again", payload=CHUNKS, payload_kind="zip")
        made = desk.store.create_request(desk.account_id, new, now=tenant.now())
        drop_payloads(desk)
        repeated = desk.new(retry_of=failed.request_id, idempotency_key="again", payload_kind="zip")
        assert desk.store.create_request(desk.account_id, repeated, now=tenant.now()).request_id == made.request_id
        assert chunks_left(desk, made.request_id) == 3

    def test_what_came_without_a_payload_can_be_retried_for_ever(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        empty = desk.cancel(desk.ask(payload_kind="records").request_id)
        assert drop_payloads(desk) == 0
        assert desk.ask(retry_of=empty.request_id, payload_kind="records").status is RequestStatus.CONNECTOR

    def test_a_request_goes_with_all_that_is_known_of_it(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease(idempotency_key="key")
        details = tuple(detail(number) for number in range(3))
        desk.write(lease, row("a", {"v": 1}), details=details, failed={"note": 3})
        gone, waits = desk.end(lease), desk.ask(due_at=tenant.now() + LATER)
        assert drop_requests(desk, ended_before=gone.modified_at) == 0
        assert drop_requests(desk) == 4
        assert there(desk) == {waits.request_id}
        for call in (desk.store.get_request, desk.store.count_types):
            with pytest.raises(RequestNotFound):
                call(desk.account_id, gone.request_id)
        assert desk.live() == {"a": {"v": 1}}
        anew = desk.lease(idempotency_key="key", request_id=gone.request_id)
        assert desk.store.count_types(desk.account_id, anew.request_id) == {}
        desk.write(anew, details=(Detail(*detail(7)),))
        page = desk.store.list_details(desk.account_id, anew.request_id, after=0, limit=10)
        assert page.details == ((1, detail(7)),)

    def test_details_go_in_steps_and_the_request_after_them(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, details=tuple(detail(number) for number in range(5)), failed={"note": 5})
        request = desk.end(lease)
        assert [drop_requests(desk, limit=2) for _ in range(2)] == [2, 2]
        assert there(desk) == {request.request_id}
        assert [drop_requests(desk, limit=2) for _ in range(2)] == [2, 0]
        assert there(desk) == set()

    def test_a_request_stays_as_long_as_its_payload(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        failed = ended(desk, Ending.FAILED)
        assert drop_requests(desk) == 0
        assert drop_payloads(desk, limit=1) == 1
        assert drop_requests(desk) == 0
        assert drop_payloads(desk) == 2
        assert drop_requests(desk) == 1
        with pytest.raises(RequestNotFound):
            desk.get(failed.request_id)

    def test_batches_wait_for_their_parent_and_it_for_them(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        parent_id = str(uuid4())
        first, second = leased_batches(desk, parent_id, 2)
        desk.end(first)
        assert drop_requests(desk) == 0
        last = desk.end(second)
        family = {parent_id, first.request_id, second.request_id}
        assert drop_requests(desk, ended_before=last.modified_at) == 0
        assert there(desk) == family
        assert drop_requests(desk, limit=2) == 2
        assert there(desk) == {parent_id}
        assert drop_requests(desk) == 1

    def test_a_cancelled_parent_waits_for_the_batch_that_still_runs(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        parent_id = str(uuid4())
        ask_batch(desk, parent_id, 1, 2)
        running = desk.claimed()
        desk.cancel(parent_id)
        assert desk.get(parent_id).status is RequestStatus.CANCELLED
        assert drop_requests(desk) == 0
        desk.end(running, Ending.CANCELLED)
        assert [drop_requests(desk), drop_requests(desk)] == [1, 1]

    def test_a_full_run_can_still_ask_who_brought_a_row(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        full = desk.lease(run_full_sync=True)
        desk.write(full, row("a", {"v": 1}))
        desk.run(row("b", {"v": 1}))
        assert drop_requests(desk) == 0
        assert desk.store.count_unseen(full, ["note"]) == (0, 2)
        desk.end(full)
        assert drop_requests(desk) == 2

    def test_what_is_another_account_s_stays(self, tenant: Tenant) -> None:
        other = Desk(Tenant(tenant.store))
        request = ended(other, Ending.FAILED)
        desk = Desk(tenant)
        assert (drop_payloads(desk), drop_requests(desk)) == (0, 0)
        assert chunks_left(other, request.request_id) == 3

    def test_types_are_counted_until_the_request_goes(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease(payload=CHUNKS, payload_kind="zip")
        desk.write(lease, row("a", {"v": 1}))
        desk.end(lease)
        assert drop_payloads(desk) == 3
        assert desk.store.count_types(desk.account_id, lease.request_id) == {"note": TypeCounts(inserted=1)}
