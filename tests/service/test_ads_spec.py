"""What docs/ads_mapping.md says of the calls, seen through the calls: every field, every status, every move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message

from syncline.storage import Store
from syncline.storage.request_models import NEVER
from syncline.storage.request_states import MOVES, RequestStatus
from syncline.v1 import sync_request_pb2 as request_pb2
from syncline.v1 import sync_request_service_pb2 as service_pb2
from tests.harness.server import RunningApp, running_app
from tests.service.requesting import RequestCalls, bad_fields, refusal, request_calls, row, status

STATES = ("READY", "CONNECTOR", "IN_PROGRESS", "SUCCESS", "FAILED", "CANCELLED")
FINAL = ("SUCCESS", "FAILED", "CANCELLED")


@pytest.fixture
async def app(store: Store) -> AsyncIterator[RunningApp]:
    """A server that runs no requests by itself."""
    async with running_app(store, embedded_worker=False) as app:
        yield app


@pytest.fixture
async def calls(app: RunningApp) -> AsyncIterator[RequestCalls]:
    async with request_calls(app.address) as calls:
        yield calls


class Life:
    """One request on its way, and the lease on it that was given last."""

    def __init__(self, app: RunningApp, calls: RequestCalls, request_id: str) -> None:
        self._app = app
        self._calls = calls
        self.request_id = request_id
        self._lease = service_pb2.LeaseSyncRequestResponse(
            lease_token="none",  # noqa: S106 - no secret
            sync_request=request_pb2.SyncRequest(sync_request_id=request_id),
        )

    async def status(self) -> str:
        return status(await self._calls.get(self.request_id))

    async def lease(self) -> None:
        lease = await self._calls.lease("robot")
        if lease.HasField("sync_request"):
            self._lease = lease

    async def end(self, state: str) -> None:
        await self._calls.end(self._lease, state, "said so")

    async def cancel(self) -> None:
        await self._calls.cancel(self.request_id)

    async def fall_due(self) -> None:
        """What passes by itself: the time that an attempt waits for."""
        self._app.store.promote_requests(now=NEVER - 1, failures_max=5)

    async def bring_to(self, state: str) -> None:
        """From its beginning, CONNECTOR, to a state."""
        if state in ("READY", "IN_PROGRESS", "SUCCESS", "FAILED"):
            await self.lease()
        if state in ("READY", "SUCCESS", "FAILED"):
            await self.end(state)
        if state == "CANCELLED":
            await self.cancel()

    async def push_to(self, state: str) -> None:
        """Do what leads to a state, where it does."""
        if state == "CANCELLED":
            await self.cancel()
            if await self.status() == "IN_PROGRESS":
                await self.end("CANCELLED")
        elif state == "IN_PROGRESS":
            await self.lease()
        elif state == "CONNECTOR" and await self.status() == "READY":
            await self.fall_due()
        else:
            await self.end(state)


async def started(app: RunningApp, calls: RequestCalls) -> Life:
    """A new request of a new enrollment that a worker outside serves."""
    made = await calls.create((await calls.enroll(str(uuid4()))).app_enrollment_id)
    return Life(app, calls, made.sync_request_id)


# Status


@pytest.mark.parametrize("state", STATES)
async def test_each_status_is_seen_by_get_list_and_watch(app: RunningApp, calls: RequestCalls, state: str) -> None:
    life = await started(app, calls)
    await started(app, calls)  # another one, which is not meant

    await life.bring_to(state)

    got = await calls.get(life.request_id)
    listed = await calls.list(filter=f"status = {state} AND sync_request_id = {life.request_id}")
    watch = calls.watch(life.request_id)
    seen = await watch.read()
    watch.cancel()
    assert status(got) == state
    assert list(listed.sync_requests) == [got]
    assert seen == got


@pytest.mark.parametrize("before", STATES)
async def test_g11_each_pair_of_states_is_a_move_or_is_refused(
    app: RunningApp, calls: RequestCalls, before: str
) -> None:
    moves = {one.name for one in MOVES[RequestStatus[before]]}
    if before == "READY":
        moves -= {"SUCCESS", "FAILED"}  # those of a parent, with its last batch
    for after in STATES:
        life = await started(app, calls)
        await life.bring_to(before)
        assert await life.status() == before

        refused: tuple[str, str] | None = None
        try:
            await life.push_to(after)
        except grpc.aio.AioRpcError as error:
            refused = await refusal(raised(error))

        if after in moves:
            assert (await life.status(), refused) == (after, None)
        else:
            assert await life.status() == before, after
            assert refused == refusal_of(before, after), after
        if await life.status() not in FINAL:
            await calls.cancel(life.request_id)  # so that nobody leases it


async def raised(error: grpc.aio.AioRpcError) -> None:
    raise error


def refusal_of(before: str, after: str) -> tuple[str, str] | None:
    """How a call that would lead there is refused; None: it answers, and nothing happens."""
    if after == "IN_PROGRESS" or (before, after) == ("CANCELLED", "CANCELLED"):
        return None  # there is nothing to lease; it is cancelled already
    if after == "CANCELLED":
        return ("FAILED_PRECONDITION", "SYNC_REQUEST_STATE")
    if after == "CONNECTOR" or before in ("CONNECTOR", "CANCELLED"):
        return ("INVALID_ARGUMENT", "INVALID_FIELD")  # no worker says so, or has a lease
    return ("ABORTED", "LEASE_LOST")


# Fields


async def test_every_field_is_told_by_get_list_and_watch(app: RunningApp, calls: RequestCalls) -> None:
    """One request with every count, then a batch, a parent, a retry and one that is being cancelled."""
    told: list[request_pb2.SyncRequest] = []
    enrollment_id = (await calls.enroll()).app_enrollment_id
    await calls.create(enrollment_id)
    await calls.run_outside("SUCCESS", [row("kept"), row("changed"), row("gone")])
    made = await calls.create(enrollment_id, run_full_sync=True)
    first = await calls.lease("robot", lease_seconds=5)
    skipping = row("kept", text="new")
    skipping.on_match = request_pb2.ON_MATCH_ACTION_SKIP
    bad = row("bad", text=5)
    bad.source_key = "bad"
    rows = [row("new"), skipping, row("changed", text="x"), bad]
    await calls.write(first, 1, rows, estimate=9)
    again = await calls.end(first, "READY", "w" * 200)
    assert (again.failure_count, again.result_message, again.modified_by) == (1, "w" * 200, "robot")
    app.store.promote_requests(now=again.due_time.ToMicroseconds(), failures_max=5)
    second = await calls.lease("robot")
    gone = request_pb2.SourceRow(object_type="note", source_key="gone", deleted=True)
    await calls.write(second, 1, [gone])
    assert await bad_fields(calls.end(second, "SUCCESS", "w" * 201)) == ["sync_request.result_message"]
    await calls.end(second, "SUCCESS", "done")

    seen = await calls.ended(made.sync_request_id)
    got = await calls.get(made.sync_request_id, include="details")
    listed = await calls.list(filter=f"sync_request_id = {made.sync_request_id}", include="details")

    assert list(listed.sync_requests) == [got]
    told.append(got)
    assert (got.account_id, got.operation, got.operation_name) == ("dev", request_pb2.SYNC_OPERATION_READ, "read")
    assert (status(got), got.result_message, got.failure_count) == ("SUCCESS", "done", 1)
    assert (got.run_full_sync, got.app_enrollment_id, got.modified_by) == (True, enrollment_id, "robot")
    assert made.create_time == got.create_time
    assert got.create_time.ToMicroseconds() < got.due_time.ToMicroseconds()
    assert got.due_time == again.due_time
    assert got.create_time.ToMicroseconds() < got.modify_time.ToMicroseconds()
    counts = got.details.object_types["note"]
    assert (counts.inserted, counts.updated, counts.deleted, counts.skipped, counts.failed) == (1, 1, 1, 1, 1)
    progress = request_pb2.SyncProgress(
        read=5, inserted=1, updated=1, deleted=1, skipped=1, failed=1, bytes=got.progress.bytes, estimate=9
    )
    assert got.progress == progress
    details = list((await calls.details(made.sync_request_id)).details)
    assert [(one.number, one.severity, one.source_key, one.field, one.value) for one in details] == [
        (1, request_pb2.DETAIL_SEVERITY_ERROR, "bad", "text", "5"),
        (2, request_pb2.DETAIL_SEVERITY_SKIP, "kept", "", "kept"),
    ]
    got_without = request_pb2.SyncRequest()
    got_without.CopyFrom(got)
    got_without.ClearField("details")
    assert seen == got_without

    parent_id = str(uuid4())
    place = service_pb2.BatchPlace(parent_sync_request_id=parent_id, current_batch=2, total_batches=2)
    batch = await calls.load([row("b")], batch=place)
    assert (batch.parent_sync_request_id, batch.current_batch, batch.total_batches) == (parent_id, 2, 2)
    await calls.cancel(parent_id)
    parent = await calls.get(parent_id, include="details")
    assert (parent.total_batches, list(parent.details.batch_sync_request_ids)) == (2, [batch.sync_request_id])
    retried = await calls.retry(batch.sync_request_id)
    assert retried.retry_of == batch.sync_request_id
    await calls.create(enrollment_id)
    running = await calls.lease("robot")
    asked = await calls.cancel(running.sync_request.sync_request_id)
    assert (status(asked), asked.cancel_asked) == ("IN_PROGRESS", True)
    told += [batch, parent, retried, asked]

    assert unset(told, request_pb2.SyncRequest) == set()
    assert unset([one.progress for one in told], request_pb2.SyncProgress) == set()
    assert unset([counts], request_pb2.SyncTypeCounts) == set()
    # Those beyond 10,000, which the conformance suite tests on each store.
    assert unset([one.details for one in told], request_pb2.SyncRequestSummary) == {"details_left_out"}
    # Rows that come with a call have no lines; those of files have, as `tests/service/test_upload_batch.py` shows.
    assert unset(details, request_pb2.SyncRequestDetail) == {"line"}


def unset(messages: Iterable[Message], kind: type[Message]) -> set[str]:
    """The fields that none of the messages has."""
    found = {field.name for message in messages for field, _ in message.ListFields()}
    return {field.name for field in kind.DESCRIPTOR.fields} - found


# Calls


async def test_a_cancel_reaches_uploads_and_batches_too(calls: RequestCalls) -> None:
    place = service_pb2.BatchPlace(parent_sync_request_id=str(uuid4()), current_batch=1, total_batches=2)
    uploaded, batch = await calls.load([row("a")]), await calls.load([row("b")], batch=place)

    for request in (uploaded, batch):
        assert status(await calls.cancel(request.sync_request_id)) == "CANCELLED"


async def test_pages_have_250_requests_unless_told_and_500_at_most(app: RunningApp, calls: RequestCalls) -> None:
    for _ in range(251):
        await calls.load([])

    first = await calls.list()
    rest = await calls.list(page_token=first.next_page_token)

    assert [len(page.sync_requests) for page in (first, rest)] == [250, 1]
    assert len((await calls.list(page_size=500)).sync_requests) == 251
    for size in (0, -1, 501):
        assert await bad_fields(calls.list(page_size=size)) == ["page_size"]


async def test_names_and_words_of_ads_are_taken_in_filters_and_orders(calls: RequestCalls) -> None:
    made = await calls.load([row("a")])
    filter_text = (
        f"syncRequestId EQ '{made.sync_request_id}' AND statusCode NOT = 'In Progress' AND operationTypeName = Read"
        " AND created > TODAY - 1 AND runFullSync = false AND appEnrollmentId IS NULL AND processResultMessage = ''"
    )

    listed = await calls.list(filter=filter_text, order_by="modified DESC, failureCount", include="Details")

    assert list(listed.sync_requests) == [made]
