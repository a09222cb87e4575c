"""What the server does by itself over time."""

from __future__ import annotations

import grpc
import pytest

from syncline.server.background import sweep, sweep_requests
from syncline.storage import Store
from syncline.storage.errors import StoreUnavailable
from syncline.storage.models import DeviceState
from tests.harness.server import running_app
from tests.harness.wire import delete_note, error_of, keys, next_page, notes, wire_device
from tests.service.requesting import refusal, request_calls, row, status


async def test_g10_deletes_stay_deleted_an_expired_device_resynchronises_in_full(store: Store) -> None:
    store.write_records("dev", notes(2))
    async with running_app(store, device_expiry_days=1e-12) as server, wire_device(server.address) as device:
        (page,) = await device.sync()
        store.write_records("dev", [delete_note("n0")])

        await sweep(server.environment)

        assert store.get_device("dev", device.uuid).state is DeviceState.EXPIRED
        assert store.get_floor("dev", "main", "") == 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await device.start(positions=page.feeds)
        assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")
        assert keys(await device.sync(full_resync=True)) == ["n1"]


async def test_an_unreachable_store_does_not_end_the_watch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is looked at again after a failure."""
    get_head, failures = store.get_head, 0

    def failing_get_head(account_id: str) -> object:
        nonlocal failures
        failures += 1
        if failures < 3:
            raise StoreUnavailable("not now")
        return get_head(account_id)

    monkeypatch.setattr(store, "get_head", failing_get_head)
    async with running_app(store, poll_seconds=0.01) as server, wire_device(server.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)

        store.write_records("dev", notes(1))

        assert keys([await next_page(stream)]) == ["n0"]
        assert failures >= 3
        stream.cancel()


async def test_what_was_uploaded_goes_after_its_time_and_the_request_after_its_own(store: Store) -> None:
    settings = {"embedded_worker": False, "payload_days": 0}
    async with running_app(store, **settings) as server, request_calls(server.address) as calls:
        cancelled = await calls.cancel((await calls.load([row("a")])).sync_request_id)
        waiting = await calls.load([row("b")])
        again = await calls.retry(cancelled.sync_request_id, request_id=cancelled.sync_request_id)

        await sweep_requests(server.environment)

        assert store.read_payload("dev", cancelled.sync_request_id, after=0) is None
        assert store.read_payload("dev", waiting.sync_request_id, after=0) is not None
        refused = calls.retry(cancelled.sync_request_id)
        assert await refusal(refused) == ("FAILED_PRECONDITION", "SYNC_REQUEST_STATE")
        assert await calls.retry(cancelled.sync_request_id, request_id=cancelled.sync_request_id) == again
        assert await calls.get(cancelled.sync_request_id) == cancelled

    async with running_app(store, request_days=1e-12, **settings) as server, request_calls(server.address) as calls:
        await sweep_requests(server.environment)

        assert await refusal(calls.get(cancelled.sync_request_id)) == ("NOT_FOUND", "SYNC_REQUEST_NOT_FOUND")
        assert status(await calls.get(waiting.sync_request_id)) == "CONNECTOR"


async def test_requests_stay_for_ever_where_that_is_wanted(store: Store) -> None:
    settings = {"embedded_worker": False, "payload_days": 0, "request_days": 0}
    async with running_app(store, **settings) as server, request_calls(server.address) as calls:
        cancelled = await calls.cancel((await calls.load([row("a")])).sync_request_id)

        await sweep_requests(server.environment)

        assert await calls.get(cancelled.sync_request_id) == cancelled
