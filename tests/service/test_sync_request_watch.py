"""WatchSyncRequest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from syncline.storage import Store
from syncline.v1 import sync_request_pb2 as request_pb2
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import error_of
from tests.service.requesting import RequestCalls, refusal, request_calls, row, status

UNKNOWN = "6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"


@pytest.fixture
async def app(store: Store) -> AsyncIterator[RunningApp]:
    """A server whose watchers are woken by hints only."""
    async with running_app(store, embedded_worker=False, poll_seconds=1_000) as app:
        yield app


@pytest.fixture
async def calls(app: RunningApp) -> AsyncIterator[RequestCalls]:
    async with request_calls(app.address) as calls:
        yield calls


async def next_state(watch: grpc.aio.UnaryStreamCall[Any, request_pb2.SyncRequest]) -> request_pb2.SyncRequest:
    state = await watch.read()
    assert isinstance(state, request_pb2.SyncRequest), "the stream has ended"
    return state


async def test_a_watcher_sees_each_change_and_the_end(calls: RequestCalls) -> None:
    made = await calls.create((await calls.enroll()).app_enrollment_id)
    watch = calls.watch(made.sync_request_id)

    assert await next_state(watch) == made
    lease = await calls.lease()
    assert status(await next_state(watch)) == "IN_PROGRESS"
    await calls.write(lease, 1, [row("a")])
    assert (await next_state(watch)).progress.inserted == 1
    ended = await calls.end(lease, "SUCCESS")
    assert await next_state(watch) == ended
    assert await watch.read() is grpc.aio.EOF


async def test_a_cancel_is_seen(calls: RequestCalls) -> None:
    made = await calls.load([row("a")])
    watch = calls.watch(made.sync_request_id)
    await next_state(watch)

    await calls.cancel(made.sync_request_id)

    assert status(await next_state(watch)) == "CANCELLED"


async def test_a_request_that_has_ended_is_told_once(calls: RequestCalls) -> None:
    made = await calls.load([row("a")])
    ended = await calls.cancel(made.sync_request_id)

    assert [state async for state in calls.watch(made.sync_request_id)] == [ended]
    assert await refusal(calls.ended(UNKNOWN)) == ("NOT_FOUND", "SYNC_REQUEST_NOT_FOUND")


async def test_what_another_process_changes_is_found_by_polling(store: Store) -> None:
    settings = {"embedded_worker": False, "poll_seconds": 0.01}
    async with running_app(store, **settings) as app, request_calls(app.address) as calls:
        made = await calls.load([row("a")])
        watch = calls.watch(made.sync_request_id)
        await next_state(watch)

        store.cancel_request("dev", made.sync_request_id, by="other", now=made.create_time.ToMicroseconds() + 1)

        assert (await next_state(watch)).modified_by == "other"


async def test_a_watch_ends_when_the_server_stops(app: RunningApp, calls: RequestCalls) -> None:
    made = await calls.load([row("a")])
    watch = calls.watch(made.sync_request_id)
    await next_state(watch)

    await app.app.drain()

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await watch.read()
    assert error_of(ended.value) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
