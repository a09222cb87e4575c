"""SyncRequestService as those call it who ask for requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from syncline.server import limits
from syncline.server.requests.records_payload import unpack_rows
from syncline.server.requests.retry import payload_chunks
from syncline.storage import Store
from syncline.v1 import sync_request_pb2 as request_pb2
from syncline.v1 import sync_request_service_pb2 as service_pb2
from tests.harness.server import RunningApp, running_app
from tests.service.requesting import RequestCalls, bad_fields, refusal, request_calls, row, status

UNKNOWN = "6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"
NOT_THERE = ("NOT_FOUND", "SYNC_REQUEST_NOT_FOUND")
WRONG_STATE = ("FAILED_PRECONDITION", "SYNC_REQUEST_STATE")


@pytest.fixture
async def app(store: Store) -> AsyncIterator[RunningApp]:
    """A server that runs no requests by itself."""
    async with running_app(store, embedded_worker=False) as app:
        yield app


@pytest.fixture
async def calls(app: RunningApp) -> AsyncIterator[RequestCalls]:
    async with request_calls(app.address) as calls:
        yield calls


def place(parent_id: str, current: int, total: int) -> service_pb2.BatchPlace:
    return service_pb2.BatchPlace(parent_sync_request_id=parent_id, current_batch=current, total_batches=total)


# Making them


async def test_a_request_is_made_and_read(calls: RequestCalls) -> None:
    enrollment = await calls.enroll()

    made = await calls.create(enrollment.app_enrollment_id.upper(), run_full_sync=True)

    assert (status(made), made.operation_name, made.run_full_sync) == ("CONNECTOR", "read", True)
    assert (made.account_id, made.app_enrollment_id) == ("dev", enrollment.app_enrollment_id)
    assert (made.modified_by, made.create_time) == ("developer", made.due_time)
    assert await calls.get(made.sync_request_id) == made
    assert await refusal(calls.get(UNKNOWN)) == NOT_THERE


async def test_a_repeat_with_the_same_request_id_is_the_same_request(calls: RequestCalls) -> None:
    enrollment_id, key = (await calls.enroll()).app_enrollment_id, str(uuid4())
    made = await calls.create(enrollment_id, request_id=key)
    loaded = await calls.load([row("a")], request_id=UNKNOWN)

    assert await calls.create(enrollment_id, request_id=key) == made
    assert await calls.load([row("a")], request_id=UNKNOWN) == loaded
    assert len((await calls.list()).sync_requests) == 2
    for reused in (calls.create(enrollment_id, request_id=key, run_full_sync=True), calls.load([], request_id=key)):
        assert await refusal(reused) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    await calls.cancel(made.sync_request_id)
    await calls.remove(enrollment_id)
    assert (await calls.create(enrollment_id, request_id=key)).sync_request_id == made.sync_request_id


async def test_an_enrollment_must_be_there_and_not_disabled(calls: RequestCalls) -> None:
    disabled = await calls.enroll(disabled=True)

    for enrollment_id in (UNKNOWN, disabled.app_enrollment_id):
        assert await refusal(calls.create(enrollment_id)) == ("NOT_FOUND", "ENROLLMENT_NOT_FOUND")


async def test_bad_fields_are_named(calls: RequestCalls) -> None:
    assert await bad_fields(calls.create("", request_id="x")) == ["app_enrollment_id", "request_id"]
    assert await bad_fields(calls.load([], batch=place("", 0, 2))) == [
        "batch.parent_sync_request_id",
        "batch.current_batch",
    ]
    assert await bad_fields(calls.load([row("a")] * 5_001)) == ["rows"]
    for call in (calls.get("x"), calls.cancel("x"), calls.retry("x"), calls.details("x"), calls.ended("x")):
        assert await bad_fields(call) == ["sync_request_id"]
    assert await bad_fields(calls.get(UNKNOWN, include="rows")) == ["include"]
    assert await bad_fields(calls.list(page_size=0, include="rows")) == ["page_size", "include"]
    assert await bad_fields(calls.details(UNKNOWN, page_size=501)) == ["page_size"]


async def test_what_is_no_row_is_refused_by_its_number(app: RunningApp, calls: RequestCalls) -> None:
    rows = [
        row("a"),
        request_pb2.SourceRow(object_type="note", data=b'{"id":'),
        request_pb2.SourceRow(object_type="note", data=b"{}", deleted=True),
        request_pb2.SourceRow(data=b" " * 1_000_001),
    ]

    assert await bad_fields(calls.load(rows)) == [
        "rows[1].data",
        "rows[2].source_key",
        "rows[2].data",
        "rows[3].object_type",
        "rows[3].data",
    ]
    assert not (await calls.list()).sync_requests


async def test_rows_are_kept_whole_and_in_order(app: RunningApp, calls: RequestCalls) -> None:
    rows = [row(f"n{number}", text="x" * 400_000) for number in range(6)]

    made = await calls.load(rows)

    chunks = list(payload_chunks(app.store, app.account_id, made.sync_request_id))
    assert (len(chunks), max(map(len, chunks)) <= 1024 * 1024) == (3, True)
    assert list(unpack_rows(chunks)) == rows


async def test_rows_are_written_by_the_worker_and_a_bad_one_becomes_a_detail(store: Store) -> None:
    async with running_app(store) as app, request_calls(app.address) as calls:
        made = await calls.load([row("a"), row("b", text=5), row("c")])
        ended = await calls.ended(made.sync_request_id)
        details = await calls.details(made.sync_request_id)

    assert (status(ended), ended.progress.inserted, ended.progress.failed) == ("SUCCESS", 2, 1)
    assert [(detail.number, detail.field) for detail in details.details] == [(1, "text")]


# Batches


async def test_batches_belong_to_a_parent_that_their_first_one_makes(calls: RequestCalls) -> None:
    parent_id = str(uuid4())

    second = await calls.load([row("b")], batch=place(parent_id, 2, 2))
    first = await calls.load([row("a")], batch=place(parent_id, 1, 2))

    assert (second.parent_sync_request_id, second.current_batch, second.total_batches) == (parent_id, 2, 2)
    assert status(await calls.get(parent_id)) == "READY"
    for wrong in (place(parent_id, 1, 2), place(parent_id, 1, 3), place(first.sync_request_id, 1, 2)):
        assert await refusal(calls.load([row("c")], batch=wrong)) == ("FAILED_PRECONDITION", "BATCH_INVALID")
    assert await refusal(calls.retry(parent_id)) == WRONG_STATE
    await calls.cancel(parent_id)
    ended = await calls.get(parent_id, include="details")
    assert list(ended.details.batch_sync_request_ids) == [first.sync_request_id, second.sync_request_id]
    assert await refusal(calls.retry(parent_id)) == WRONG_STATE


# What came of them


async def test_details_are_there_once_the_request_has_ended(calls: RequestCalls) -> None:
    made = await calls.create((await calls.enroll()).app_enrollment_id)
    for early in (calls.get(made.sync_request_id, include="details"), calls.details(made.sync_request_id)):
        assert await refusal(early) == WRONG_STATE

    await calls.run_outside("SUCCESS", [row("a"), row("b", text=1), row("c", text=2), row("d", text=3)])

    request = await calls.get(made.sync_request_id, include="Details")
    counts = request.details.object_types["note"]
    assert (counts.inserted, counts.failed, request.details.detail_count) == (1, 3, 3)
    first = await calls.details(made.sync_request_id, page_size=2)
    rest = await calls.details(made.sync_request_id, page_size=2, page_token=first.next_page_token)
    assert [detail.number for detail in (*first.details, *rest.details)] == [1, 2, 3]
    assert rest.next_page_token == ""
    assert await refusal(calls.details(UNKNOWN)) == NOT_THERE
    other = calls.details(UNKNOWN, page_token=first.next_page_token)
    assert await refusal(other) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


# Listing


async def test_requests_are_listed_by_filter_and_order_page_by_page(calls: RequestCalls) -> None:
    enrollment_id = (await calls.enroll()).app_enrollment_id
    made = [(await calls.create(enrollment_id, run_full_sync=number % 2 == 0)).sync_request_id for number in range(5)]
    asked = {
        "filter": "run_full_sync = true AND create_time > yesterday",
        "order_by": "sync_request_id",
        "page_size": 2,
    }

    first = await calls.list(**asked)
    rest = await calls.list(**asked, page_token=first.next_page_token)

    assert [one.sync_request_id for one in (*first.sync_requests, *rest.sync_requests)] == sorted(made[::2])
    assert (bool(first.next_page_token), rest.next_page_token) == (True, "")
    whole = await calls.list(page_size=5)
    assert (len(whole.sync_requests), whole.next_page_token) == (5, "")
    other = calls.list(**asked | {"order_by": ""}, page_token=first.next_page_token)
    assert await refusal(other) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    assert await refusal(calls.list(filter="colour = 'red'")) == ("INVALID_ARGUMENT", "FILTER_INVALID")


async def test_a_list_tells_details_of_those_that_have_ended(calls: RequestCalls) -> None:
    enrollment_id = (await calls.enroll()).app_enrollment_id
    await calls.create(enrollment_id)
    await calls.create(enrollment_id)
    await calls.run_outside("SUCCESS", [row("a")])

    listed = await calls.list(include="details", order_by="status DESC")

    assert [(status(one), one.HasField("details")) for one in listed.sync_requests] == [
        ("SUCCESS", True),
        ("CONNECTOR", False),
    ]


async def test_a_page_is_cut_before_it_is_too_large_for_a_message(
    calls: RequestCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await calls.load([])).sync_request_id for _ in range(3)]
    monkeypatch.setattr(limits, "REQUESTS_BYTES_MAX", 1)

    asked = {"order_by": "sync_request_id", "page_size": 3}
    pages = [await calls.list(**asked)]
    while pages[-1].next_page_token:
        pages.append(await calls.list(**asked, page_token=pages[-1].next_page_token))

    assert [[one.sync_request_id for one in page.sync_requests] for page in pages] == [[each] for each in sorted(made)]


# Cancelling and retrying


async def test_a_request_is_cancelled_once(calls: RequestCalls) -> None:
    enrollment_id = (await calls.enroll()).app_enrollment_id
    made = await calls.create(enrollment_id)

    cancelled = await calls.cancel(made.sync_request_id)

    assert status(cancelled) == "CANCELLED"
    assert await calls.cancel(made.sync_request_id) == cancelled
    await calls.create(enrollment_id)
    ended = await calls.run_outside("SUCCESS")
    assert await refusal(calls.cancel(ended.sync_request_id)) == WRONG_STATE
    assert await refusal(calls.cancel(UNKNOWN)) == NOT_THERE


async def test_what_failed_is_retried_as_a_new_request(calls: RequestCalls) -> None:
    made = await calls.create((await calls.enroll()).app_enrollment_id, run_full_sync=True)
    assert await refusal(calls.retry(made.sync_request_id)) == WRONG_STATE
    await calls.run_outside("FAILED")
    key = str(uuid4())

    again = await calls.retry(made.sync_request_id, request_id=key)

    assert (status(again), again.retry_of, again.failure_count) == ("CONNECTOR", made.sync_request_id, 0)
    assert (again.app_enrollment_id, again.run_full_sync) == (made.app_enrollment_id, True)
    assert await calls.retry(made.sync_request_id, request_id=key) == again
    await calls.run_outside("SUCCESS")
    assert await refusal(calls.retry(again.sync_request_id)) == WRONG_STATE
    assert await refusal(calls.retry(UNKNOWN)) == NOT_THERE


async def test_a_retry_has_the_rows_and_a_batch_by_itself_is_no_full_run(app: RunningApp, calls: RequestCalls) -> None:
    made = await calls.load([row("a"), row("b")], run_full_sync=True, batch=place(UNKNOWN, 1, 2))
    await calls.cancel(made.sync_request_id)

    again = await calls.retry(made.sync_request_id)

    assert list(unpack_rows(payload_chunks(app.store, app.account_id, again.sync_request_id))) == [row("a"), row("b")]
    assert (again.run_full_sync, again.parent_sync_request_id) == (False, "")


# The server


async def test_a_server_that_stops_takes_no_new_requests(app: RunningApp, calls: RequestCalls) -> None:
    made = await calls.load([row("a")])
    await app.app.drain()

    for call in (calls.create(UNKNOWN), calls.load([]), calls.retry(UNKNOWN), calls.lease()):
        assert await refusal(call) == ("UNAVAILABLE", "DRAINING")
    assert await calls.get(made.sync_request_id) == made
