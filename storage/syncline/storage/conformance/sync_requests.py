"""Sync requests: made, read and cancelled by those who ask for them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.tenant import SECOND, Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.errors import (
    EnrollmentNotFound,
    InvalidValue,
    LimitReached,
    RequestEnded,
    RequestIdReused,
    RequestNotFound,
)
from syncline.storage.request_models import (
    DETAILS_MAX,
    Detail,
    Ending,
    OnMatch,
    Operation,
    PayloadState,
    Progress,
    RequestQuery,
    Severity,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.request_states import RequestStatus


def detail(number: int, **changes: Any) -> Detail:
    """A detail that can be told from others; the changes are its fields."""
    return Detail(Severity.ERROR, "note", number, f"s{number}", "text", "not a text", "17")._replace(**changes)


class SyncRequestConformance:
    """`SyncRequestStore`, without its lists."""

    def test_a_request_is_as_it_was_asked_for(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollment_id, first = desk.enroll(), desk.ask()
        now = tenant.now()
        new = desk.new(
            operation=Operation.WRITE,
            run_full_sync=True,
            enrollment_id=enrollment_id,
            retry_of=first.request_id,
            payload=(b"x",),
            payload_kind="zip",
            due_at=now,
        )
        made = desk.store.create_request(desk.account_id, new, now=now)
        assert made == desk.get(new.request_id)
        assert made == SyncRequest(
            request_id=new.request_id,
            status=RequestStatus.CONNECTOR,
            operation=Operation.WRITE,
            result_message="",
            failure_count=0,
            run_full_sync=True,
            enrollment_id=enrollment_id,
            created_at=now,
            modified_at=now,
            modified_by="somebody",
            due_at=now,
            cancel_asked=False,
            progress=Progress(),
            detail_count=0,
            details_left_out=0,
            cursor="",
            lease_until=0,
            worker="",
            parent_id=None,
            current_batch=None,
            total_batches=None,
            retry_of=first.request_id,
            payload_kind="zip",
            payload_state=PayloadState.KEPT,
        )
        assert desk.ask(due_at=now + 1, now=now).status is RequestStatus.READY

    def test_g11_a_key_makes_one_request(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        new = desk.new(idempotency_key="k", payload_hash=b"h")
        first = desk.store.create_request(desk.account_id, new, now=tenant.now())
        again = replace(new, request_id=str(uuid4()), due_at=tenant.now() + SECOND)
        assert desk.store.create_request(desk.account_id, again, now=tenant.now()) == first
        desk.cancel(first.request_id)
        ended = desk.store.create_request(desk.account_id, again, now=tenant.now())
        assert (ended.request_id, ended.status) == (first.request_id, RequestStatus.CANCELLED)
        with pytest.raises(RequestIdReused):
            desk.ask(idempotency_key="k", payload_hash=b"other")
        other = Desk(Tenant(tenant.store)).ask(idempotency_key="k", payload_hash=b"other")
        assert other.request_id != first.request_id
        assert desk.ask().request_id != desk.ask().request_id
        assert len(desk.store.list_requests(desk.account_id, RequestQuery())) == 3

    def test_g11_a_key_makes_one_request_from_many_threads(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        asked = together(*(partial(desk.ask, idempotency_key="k", payload_hash=b"h") for _ in range(8)))
        assert len({request.request_id for request in asked}) == 1
        assert len(desk.store.list_requests(desk.account_id, RequestQuery())) == 1

    def test_a_request_id_is_used_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        first = desk.ask()
        with pytest.raises(RequestIdReused):
            desk.ask(request_id=first.request_id)
        assert Desk(Tenant(tenant.store)).ask(request_id=first.request_id).request_id == first.request_id

    def test_what_a_request_names_must_be_there(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        disabled = desk.enroll(enabled=False)
        for enrollment_id in (str(uuid4()), disabled):
            with pytest.raises(EnrollmentNotFound):
                desk.ask(enrollment_id=enrollment_id)
        with pytest.raises(RequestNotFound):
            desk.ask(retry_of=str(uuid4()))
        assert desk.store.list_requests(desk.account_id, RequestQuery()) == []

    def test_what_cannot_be_kept_is_refused(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        with pytest.raises(InvalidValue):
            desk.ask(idempotency_key="a\x00b")
        with pytest.raises(LimitReached):
            desk.ask(payload=(b"x" * ((1 << 20) + 1),))
        assert desk.store.list_requests(desk.account_id, RequestQuery()) == []

    def test_a_request_that_is_not_there_is_not_found(self, tenant: Tenant) -> None:
        desk, absent = Desk(tenant), str(uuid4())
        for call in (
            partial(desk.get, absent),
            partial(desk.cancel, absent),
            partial(desk.store.list_details, desk.account_id, absent, after=0, limit=9),
            partial(desk.store.count_types, desk.account_id, absent),
        ):
            with pytest.raises(RequestNotFound):
                call()

    def test_a_payload_is_read_chunk_by_chunk(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        chunks = (b"x" * (1 << 20), b"", b"\x00\xff")
        request = desk.ask(payload=chunks, payload_kind="zip")
        read = partial(desk.store.read_payload, desk.account_id, request.request_id)
        assert [read(after=after) for after in range(4)] == [(1, chunks[0]), (2, b""), (3, b"\x00\xff"), None]
        assert desk.store.read_payload(desk.account_id, desk.ask().request_id, after=0) is None

    @pytest.mark.parametrize("state", ["ready", "connector"])
    def test_a_waiting_request_is_cancelled_at_once(self, tenant: Tenant, state: str) -> None:
        desk = Desk(tenant)
        now = tenant.now()
        request = desk.ask(due_at=now + (state == "ready"), now=now)
        assert request.status.value == state
        cancelled = desk.cancel(request.request_id, by="me")
        assert (cancelled.status, cancelled.modified_by) == (RequestStatus.CANCELLED, "me")
        assert cancelled.modified_at > request.modified_at
        desk.promote(now + 1)
        assert desk.claim() is None
        assert desk.cancel(request.request_id, by="another") == cancelled == desk.get(request.request_id)

    def test_a_running_request_is_told_to_stop(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        assert not desk.write(lease).cancel_asked
        asked = desk.cancel(lease.request_id)
        assert (asked.status, asked.cancel_asked) == (RequestStatus.IN_PROGRESS, True)
        assert desk.cancel(lease.request_id, by="another") == asked
        assert desk.write(lease, number=2).cancel_asked
        assert desk.store.renew_lease(lease, lease_us=SECOND, now=tenant.now()).cancel_asked
        assert desk.end(lease, Ending.CANCELLED).status is RequestStatus.CANCELLED
        assert desk.cancel(lease.request_id).status is RequestStatus.CANCELLED

    @pytest.mark.parametrize("ending", [Ending.SUCCESS, Ending.FAILED])
    def test_what_has_ended_is_not_cancelled(self, tenant: Tenant, ending: Ending) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        ended = desk.end(lease, ending)
        with pytest.raises(RequestEnded):
            desk.cancel(lease.request_id)
        assert desk.get(lease.request_id) == ended

    def test_details_are_numbered_and_read_in_pages(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, details=(detail(1), detail(2)), failed={"note": 2})
        desk.write(lease, details=(detail(3), detail(4, severity=Severity.SKIP, field="")), number=2)
        read = partial(desk.store.list_details, desk.account_id, lease.request_id)
        first = read(after=0, limit=3)
        assert first.details == ((1, detail(1)), (2, detail(2)), (3, detail(3)))
        last = read(after=first.next_after, limit=3)
        assert last.details == ((4, detail(4, severity=Severity.SKIP, field="")),)
        assert last.next_after == read(after=0, limit=4).next_after == read(after=9, limit=4).next_after == 0
        assert desk.get(lease.request_id).detail_count == 4

    def test_what_offends_is_kept_as_far_as_it_can_be(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, details=(detail(1, value="x" * 300), detail(2, source_key="a\x00b", value="\ud800!")))
        page = desk.store.list_details(desk.account_id, lease.request_id, after=0, limit=9)
        assert [one.value for _, one in page.details] == ["x" * 200, "\ufffd!"]
        assert page.details[1][1].source_key == "a\ufffdb"

    def test_details_beyond_the_limit_are_counted_only(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, details=(detail(1),) * (DETAILS_MAX - 1))
        desk.write(lease, details=(detail(2), detail(3)), number=2)
        desk.write(lease, details=(detail(4),), number=3)
        request = desk.get(lease.request_id)
        assert (request.detail_count, request.details_left_out) == (DETAILS_MAX, 2)
        page = desk.store.list_details(desk.account_id, lease.request_id, after=DETAILS_MAX - 1, limit=9)
        assert (page.details, page.next_after) == (((DETAILS_MAX, detail(2)),), 0)

    def test_counts_are_kept_by_object_type(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        tenant.put("there", b'{"a":0}')
        lease = desk.lease()
        desk.write(lease, row("a", {"a": 1}), row("b", {"a": 1}, object_type="task"), failed={"nothing": 2})
        desk.write(
            lease,
            row("a", {"a": 1}),
            row("b", {"a": 2}, object_type="task"),
            row("there", {"a": 1}, on_match=OnMatch.ERROR),
            deleted_keys=(("note", "a"),),
            failed={"note": 3},
            number=2,
        )
        assert desk.store.count_types(desk.account_id, lease.request_id) == {
            "note": TypeCounts(inserted=1, deleted=1, skipped=1, failed=4),
            "task": TypeCounts(inserted=1, updated=1),
            "nothing": TypeCounts(failed=2),
        }
        assert desk.store.count_types(desk.account_id, desk.ask().request_id) == {}

    def test_g9_requests_are_not_found_from_outside(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        request_id = mine.ask(payload=(b"x",), payload_kind="zip").request_id
        lease = mine.claimed()
        mine.write(lease, row("s", {"a": 1}), details=(detail(1),))
        for call in (
            partial(other.get, request_id),
            partial(other.cancel, request_id),
            partial(store.list_details, other.account_id, request_id, after=0, limit=9),
            partial(store.count_types, other.account_id, request_id),
            partial(other.ask, retry_of=request_id),
        ):
            with pytest.raises(RequestNotFound):
                call()
        assert store.list_requests(other.account_id, RequestQuery()) == []
        assert store.read_payload(other.account_id, request_id, after=0) is None
        assert store.known_sources(other.account_id, None, "note", ["s"]) == {}
        assert not mine.get(request_id).cancel_asked
