"""Workers outside: LeaseSyncRequest, WriteSyncRequestRows, UpdateSyncRequest."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from syncline.storage import Store
from syncline.storage.request_models import EXTERNAL_CONNECTOR, ClaimLimits
from syncline.v1 import app_enrollment_service_pb2 as enrollments_pb2
from syncline.v1 import sync_request_pb2 as request_pb2
from syncline.v1 import sync_request_service_pb2 as service_pb2
from tests.harness.server import RunningApp, running_app
from tests.service.requesting import RequestCalls, bad_fields, refusal, request_calls, row, status


@pytest.fixture
async def app(store: Store) -> AsyncIterator[RunningApp]:
    async with running_app(store, embedded_worker=False) as app:
        yield app


@pytest.fixture
async def calls(app: RunningApp) -> AsyncIterator[RequestCalls]:
    async with request_calls(app.address) as calls:
        yield calls


async def leased(calls: RequestCalls, **fields: object) -> service_pb2.LeaseSyncRequestResponse:
    """The lease of a new request of a new enrollment."""
    enrollment = await calls.enroll(settings='{"a": 1}')
    await calls.create(enrollment.app_enrollment_id, **fields)
    return await calls.lease()


def notes(store: Store) -> list[str]:
    return [record.key for record in store.scan_records("dev", "note", after_key=None, limit=100)]


async def test_a_worker_outside_leases_writes_and_ends(app: RunningApp, calls: RequestCalls) -> None:
    assert await calls.lease() == service_pb2.LeaseSyncRequestResponse()
    lease = await leased(calls)

    answer = await calls.write(lease, 1, [row("a"), row("b")], cursor="2", estimate=4)
    await calls.write(lease, 2, [row("c"), row("c", text=5), row("d")], cursor="4")
    ended = await calls.end(lease, "SUCCESS")

    assert (status(lease.sync_request), lease.settings, lease.cursor) == ("IN_PROGRESS", '{"a": 1}', "")
    assert (answer.progress.inserted, answer.progress.estimate, answer.cancel_asked) == (2, 4, False)
    assert (status(ended), ended.result_message) == ("SUCCESS", "5 read: 4 inserted, 1 failed")
    assert notes(app.store) == ["a", "b", "c", "d"]
    (detail,) = (await calls.details(ended.sync_request_id)).details
    assert (detail.number, detail.object_type, detail.field, detail.value) == (1, "note", "text", "5")


async def test_a_worker_outside_is_held_to_the_error_limit(app: RunningApp, calls: RequestCalls) -> None:
    enrollment = await calls.enroll(settings='{"error_limit": 1}')
    await calls.create(enrollment.app_enrollment_id)
    lease = await calls.lease()
    await calls.write(lease, 1, [row("a"), row("b", text=5)])
    await calls.write(lease, 2, [row("c"), row("d", text=5)])

    assert await refusal(calls.write(lease, 3, [row("e")])) == ("ABORTED", "LEASE_LOST")
    ended = await calls.get(lease.sync_request.sync_request_id)
    assert (status(ended), ended.result_message) == (
        "FAILED",
        "2 rows failed, more than error_limit allows: 1; 2 rows were written before",
    )
    assert notes(app.store) == ["a", "c"]


async def test_the_next_delta_goes_on_where_the_last_success_ended(calls: RequestCalls) -> None:
    lease = await leased(calls)
    await calls.write(lease, 1, [row("a")], cursor="here")
    await calls.end(lease, "SUCCESS")
    enrollment_id = lease.sync_request.app_enrollment_id

    await calls.create(enrollment_id)
    delta = await calls.lease()
    await calls.end(delta, "FAILED", "no network")
    await calls.create(enrollment_id, run_full_sync=True)
    full = await calls.lease()

    assert (delta.cursor, full.cursor) == ("here", "")


async def test_an_attempt_that_is_to_be_repeated_goes_on_where_it_stopped(app: RunningApp, calls: RequestCalls) -> None:
    lease = await leased(calls)
    await calls.write(lease, 1, [row("a")], cursor="here")

    again = await calls.end(lease, "READY", "no network")

    assert (status(again), again.failure_count, again.result_message) == ("READY", 1, "no network")
    assert again.due_time.ToMicroseconds() >= again.modify_time.ToMicroseconds()
    app.store.promote_requests(now=again.due_time.ToMicroseconds(), failures_max=5)
    assert (await calls.lease()).cursor == "here"


async def test_g11_who_lost_the_lease_writes_and_says_nothing(app: RunningApp, calls: RequestCalls) -> None:
    lease = await leased(calls)
    after = lease.lease_end_time.ToMicroseconds() + 1
    app.store.promote_requests(now=after, failures_max=5)
    app.store.promote_requests(now=after, failures_max=5)
    other = await calls.lease("other")
    assert other.sync_request.sync_request_id == lease.sync_request.sync_request_id

    for call in (calls.write(lease, 1, [row("a")]), calls.end(lease, "SUCCESS"), keep(calls, lease)):
        assert await refusal(call) == ("ABORTED", "LEASE_LOST")
    assert notes(app.store) == []
    assert status(await calls.end(other, "SUCCESS")) == "SUCCESS"
    assert await refusal(calls.end(other, "SUCCESS")) == ("ABORTED", "LEASE_LOST")


async def keep(calls: RequestCalls, lease: service_pb2.LeaseSyncRequestResponse) -> request_pb2.SyncRequest:
    return await calls.update(lease, lease.sync_request)


async def test_a_batch_that_comes_again_does_nothing_and_none_is_left_out(calls: RequestCalls) -> None:
    lease = await leased(calls)
    first = await calls.write(lease, 1, [row("a")])

    again = await calls.write(lease, 1, [row("a")])

    assert again.progress == first.progress
    assert await refusal(calls.write(lease, 3)) == ("FAILED_PRECONDITION", "BATCH_OUT_OF_ORDER")


async def test_a_cancel_is_heard_and_what_was_written_stays(app: RunningApp, calls: RequestCalls) -> None:
    lease = await leased(calls)
    await calls.write(lease, 1, [row("a")])
    await calls.cancel(lease.sync_request.sync_request_id)

    heard = await calls.write(lease, 2, [row("b")])
    kept = await keep(calls, lease)
    ended = await calls.end(lease, "CANCELLED", "stopped")

    assert (heard.cancel_asked, kept.cancel_asked) == (True, True)
    assert (status(ended), ended.result_message) == ("CANCELLED", "stopped")
    assert notes(app.store) == ["a", "b"]


async def test_a_full_run_deletes_what_it_did_not_see(app: RunningApp, calls: RequestCalls) -> None:
    lease = await leased(calls)
    await calls.write(lease, 1, [row("a"), row("b")])
    await calls.end(lease, "SUCCESS")
    await calls.create(lease.sync_request.app_enrollment_id, run_full_sync=True)

    ended = await calls.run_outside("SUCCESS", [row("b")])

    assert (status(ended), ended.progress.deleted) == ("SUCCESS", 1)
    assert notes(app.store) == ["b"]


async def test_a_full_run_that_would_delete_too_much_fails_and_says_so(app: RunningApp, calls: RequestCalls) -> None:
    lease = await leased(calls)
    await calls.write(lease, 1, [row(f"n{number:02}") for number in range(12)])
    await calls.end(lease, "SUCCESS")
    await calls.create(lease.sync_request.app_enrollment_id, run_full_sync=True)

    ended = await calls.run_outside("SUCCESS", [row("n00")])

    assert (status(ended), len(notes(app.store))) == ("FAILED", 12)
    assert "11 of 12 rows would be deleted" in ended.result_message


async def test_a_row_that_is_gone_is_deleted(app: RunningApp, calls: RequestCalls) -> None:
    lease = await leased(calls)
    await calls.write(lease, 1, [row("a"), row("b")])

    await calls.write(lease, 2, [request_pb2.SourceRow(object_type="note", source_key="a", deleted=True)])

    assert notes(app.store) == ["b"]


async def test_each_takes_only_what_is_for_him(app: RunningApp, calls: RequestCalls) -> None:
    loaded = await calls.load([row("a")])
    enrollment = await calls.enroll()
    assert enrollment.connector == EXTERNAL_CONNECTOR
    brought = await calls.load([row("b")], app_enrollment_id=enrollment.app_enrollment_id)
    asked = await calls.create((await calls.enroll("other")).app_enrollment_id)

    mine = await calls.lease()
    claimed = [
        app.store.claim_request(
            worker="own", limits=ClaimLimits(8), lease_us=10**6, now=asked.due_time.ToMicroseconds()
        )
        for _ in range(3)
    ]

    assert mine.sync_request.sync_request_id == asked.sync_request_id
    assert await calls.lease() == service_pb2.LeaseSyncRequestResponse()
    assert [lease.request_id for lease in claimed if lease] == [loaded.sync_request_id, brought.sync_request_id]


async def test_a_request_of_an_enrollment_that_was_disabled_fails(calls: RequestCalls) -> None:
    enrollment = await calls.enroll()
    made = await calls.create(enrollment.app_enrollment_id)
    enrollment.disabled = True
    await calls.enrollments.UpdateAppEnrollment(enrollments_pb2.UpdateAppEnrollmentRequest(app_enrollment=enrollment))

    assert await calls.lease() == service_pb2.LeaseSyncRequestResponse()

    ended = await calls.get(made.sync_request_id)
    assert (status(ended), ended.result_message) == ("FAILED", "the enrollment is disabled")


async def test_only_a_read_takes_rows(calls: RequestCalls) -> None:
    lease = await leased(calls, operation=request_pb2.SYNC_OPERATION_CHECK)

    assert await bad_fields(calls.write(lease, 1, [row("a")])) == ["rows"]
    assert (await calls.end(lease, "SUCCESS", "3 tables")).result_message == "3 tables"


async def test_bad_fields_are_named(calls: RequestCalls) -> None:
    assert await bad_fields(calls.lease("", lease_seconds=4)) == ["worker", "lease_seconds"]
    lease = await leased(calls)
    mangled = service_pb2.LeaseSyncRequestResponse(
        lease_token=f"{lease.lease_token[:-1]}{'A' if lease.lease_token[-1] != 'A' else 'B'}",
        sync_request=lease.sync_request,
    )
    assert await bad_fields(calls.write(mangled, 1)) == ["lease_token"]
    assert await bad_fields(calls.end(mangled, "SUCCESS")) == ["lease_token"]
    assert await bad_fields(calls.write(lease, 0, [request_pb2.SourceRow(data=b"[]")], estimate=-1)) == [
        "batch_number",
        "estimate",
        "rows[0].object_type",
        "rows[0].data",
    ]
    assert await bad_fields(calls.end(lease, "CONNECTOR")) == ["sync_request.status"]
    assert await bad_fields(calls.update(lease, lease.sync_request, "progress")) == ["update_mask"]
    assert await bad_fields(calls.update(lease, lease.sync_request, "result_message")) == ["update_mask"]
