"""Stopping without losing anybody's work."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from tests.harness.server import ServerProcess, running_app
from tests.harness.wire import WireDevice, detail_of, error_of, is_serving, next_page, notes, wire_device

DRAINING = (grpc.StatusCode.UNAVAILABLE, "DRAINING")


async def test_a_draining_server_ends_streams_and_still_takes_acknowledgements(store: Store) -> None:
    store.write_records("dev", notes(1))
    async with running_app(store) as server, wire_device(server.address) as device:
        session_id = await device.start_id()
        live = device.stream(session_id, follow=True)
        page = await next_page(live)
        idle = WireDevice(device.channel)
        waiting = idle.stream(await idle.start_id(always=True), follow=True)
        await next_page(waiting)

        await server.app.drain()

        for call in (live.read(), waiting.read(), device.start(), device.stream(session_id).read()):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert error_of(caught.value) == DRAINING
            assert detail_of(caught.value, error_details_pb2.RetryInfo).HasField("retry_delay")
        assert not await is_serving(device.channel, "syncline.v1.SyncService")
        assert (await device.acknowledge(page.page_ack_key)).acknowledged == 1


async def test_sigterm_ends_live_streams_and_the_process(server_process: ServerProcess) -> None:
    async with wire_device(server_process.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)

        server_process.send_terminate()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await next_page(stream)
        assert error_of(caught.value) == DRAINING
    assert server_process.wait() == 0
