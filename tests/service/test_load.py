"""A burst is answered, not dropped."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from tests.harness.server import running_app
from tests.harness.wire import WireDevice, detail_of, error_of, next_page, wire_device
from tests.service.requesting import RequestCalls

LIMIT_REACHED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")


async def assert_refused(call: Any, subject: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert error_of(caught.value) == LIMIT_REACHED
    (violation,) = detail_of(caught.value, error_details_pb2.QuotaFailure).violations
    assert violation.subject == subject
    assert detail_of(caught.value, error_details_pb2.RetryInfo).HasField("retry_delay")


async def test_streams_are_limited_and_calls_go_on(store: Store) -> None:
    async with running_app(store, streams_max=1) as server, wire_device(server.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)
        other = WireDevice(device.channel)
        session_id = await other.start_id(always=True)

        await assert_refused(other.stream(session_id).read(), "streams")

        stream.cancel()
        await server.until(lambda: not server.environment.notifier.accounts())
        assert len(await other.read(session_id)) == 1


async def test_a_batch_on_its_way_in_is_a_stream_and_takes_the_place_of_no_call(store: Store) -> None:
    async with running_app(store, calls_max=1, streams_max=1) as server, wire_device(server.address) as device:
        silent = RequestCalls(device.channel).requests.UploadBatch()
        await silent.wait_for_connection()
        session_id = await device.start_id(always=True)
        await assert_refused(device.stream(session_id).read(), "streams")
        silent.cancel()


async def test_calls_are_limited(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, read_schema = threading.Event(), threading.Event(), store.read_schema

    def slow_read_schema(account_id: str) -> object:
        begun.set()
        assert go_on.wait(60)
        return read_schema(account_id)

    async with running_app(store, calls_max=1) as server, wire_device(server.address) as device:
        monkeypatch.setattr(store, "read_schema", slow_read_schema)
        first = asyncio.create_task(device.start())
        await server.until(begun.is_set)

        await assert_refused(device.start(), "calls")

        go_on.set()
        assert (await first).account == "dev"
