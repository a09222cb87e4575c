"""What one client may do to a server's time, and to others: deadlines, streams of a connection, readers that stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress

import grpc
import pytest

from syncline.storage import Store, open_store
from syncline.v1 import queue_pb2
from tests.harness.server import declare_notes, running_app
from tests.harness.wire import WireDevice, error_of, keys, next_page, note, notes, wire_device


@pytest.fixture
def store() -> Iterator[Store]:
    """One store is enough: this is about connections."""
    store = open_store("memory:")
    declare_notes(store)
    yield store
    store.close()


async def test_a_call_takes_no_longer_than_the_server_lets_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, read_schema = threading.Event(), store.read_schema

    def slow_read_schema(account_id: str) -> object:
        assert go_on.wait(60)
        return read_schema(account_id)

    async with running_app(store, deadline_seconds_max=0.1) as server, wire_device(server.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)
        monkeypatch.setattr(store, "read_schema", slow_read_schema)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await device.start()  # without a deadline of its own

        assert error_of(caught.value) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_REACHED")
        go_on.set()
        store.write_records("dev", notes(1))
        server.wake()
        assert keys([await next_page(stream)]) == ["n0"]  # a stream goes on
        stream.cancel()


async def test_a_connection_s_calls_wait_beyond_their_limit_and_other_connections_do_not(store: Store) -> None:
    async with (
        running_app(store, streams_per_connection_max=1) as server,
        wire_device(server.address) as device,
        grpc.aio.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel,
    ):
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)
        waiting = asyncio.ensure_future(device.start())

        assert await WireDevice(channel).sync() == []
        assert not waiting.done()

        stream.cancel()
        assert (await waiting).account == "dev"


async def test_a_reader_that_stops_is_dropped_and_others_go_on(store: Store) -> None:
    more_than_buffers_take = [note(f"n{number}", "x" * 500_000) for number in range(60)]
    store.write_records("dev", more_than_buffers_take)
    async with (
        running_app(store, ack_overdue_seconds=0.5) as server,
        wire_device(server.address) as stopped,
        wire_device(server.address) as other,
    ):
        stream = stopped.stream(await stopped.start_id(), page_size=1)
        await stream.initial_metadata()

        assert len(keys(await other.sync())) == 60

        await server.until(lambda: not server.environment.notifier.accounts())
        assert len(keys(await stopped.sync())) == 60  # in a session of its own, as if nothing was

        with pytest.raises(grpc.aio.AioRpcError) as told:  # it reads again, and does not wait for ever
            async for _ in stream:
                pass
        assert error_of(told.value) == (grpc.StatusCode.ABORTED, "ACK_OVERDUE")


async def test_a_reader_that_stops_keeps_its_place_until_its_call_has_ended(store: Store) -> None:
    store.write_records("dev", [note(f"n{number}", "x" * 500_000) for number in range(60)])
    limits = {"ack_overdue_seconds": 0.1, "principal_streams": 2, "streams_max": 3}
    async with running_app(store, **limits) as server, wire_device(server.address) as first:
        devices = [first, WireDevice(first.channel)]
        unread = [each.stream(await each.start_id(always=True), page_size=1) for each in devices]
        for stream in unread:
            await stream.initial_metadata()
        await server.until(lambda: not server.environment.notifier.accounts())
        third = WireDevice(first.channel)
        session = await third.start_id(always=True)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await third.stream(session).read()
        assert error_of(refused.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")
        unread[0].cancel()
        pages: list[queue_pb2.QueuePage] = []
        while not pages:
            with suppress(grpc.aio.AioRpcError):  # the server has not heard of the end yet
                pages = await third.read(session)
        assert len(keys(pages)) == 60
