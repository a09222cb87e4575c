"""Upload streams: stopping, load, who may open one, and how far they read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from threading import Event
from typing import Any

import grpc
import pytest

from syncline.server.drain import Drain
from syncline.server.errors import Draining
from syncline.server.upload.stream import _Messages
from syncline.storage import Store
from syncline.v1 import upload_pb2
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import WireDevice, error_of, wire_device
from tests.service.uploading import (
    insert,
    open_uploading_store,
    records,
    upload_call,
    upload_once,
    verdicts,
)

DRAINING = (grpc.StatusCode.UNAVAILABLE, "DRAINING")


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory: nothing here depends on which it is."""
    with open_uploading_store("memory:") as store:
        yield store


async def test_a_draining_server_answers_the_batch_in_hand_and_ends_streams(
    device: WireDevice, in_process_server: RunningApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, may_go_on, decide = Event(), Event(), store.upload

    def wait(*arguments: Any) -> Any:
        entered.set()
        may_go_on.wait()
        return decide(*arguments)

    idle_device = WireDevice(device.channel)
    async with upload_call(device) as busy, upload_call(idle_device) as idle:
        await idle.upload(insert(1, "b"))
        monkeypatch.setattr(store, "upload", wait)
        await busy.send(insert(1, "a"))
        await busy.send(insert(2, "a"))
        await in_process_server.until(entered.is_set)

        await in_process_server.app.drain()

        assert error_of(await idle.error()) == DRAINING
        may_go_on.set()
        assert verdicts(await busy.receive()) == ["APPLIED"]
        assert error_of(await busy.error()) == DRAINING
    late = upload_pb2.UploadRequest(store_epoch="1")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await device.stub.Upload(iter([late]), metadata=device.metadata).read()
    assert error_of(caught.value) == DRAINING
    assert set(records(store)) == {"a", "b"}


async def test_upload_streams_count_among_the_streams(store: Store) -> None:
    async with running_app(store, streams_max=1) as server, wire_device(server.address) as device:
        async with upload_call(device) as first:
            await first.upload(insert(1, "a"))
            async with upload_call(WireDevice(device.channel)) as second:
                assert error_of(await second.error()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")
            await first.end()
        assert verdicts(await upload_once(device, insert(2, "b"))) == ["APPLIED"]


async def test_a_device_must_name_itself(device: WireDevice) -> None:
    for call in (
        device.stub.Upload(iter([upload_pb2.UploadRequest()])).read(),
        device.stub.ListConflicts(upload_pb2.ListConflictsRequest()),
        device.stub.Reconcile(upload_pb2.ReconcileRequest(object_type="note")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "DEVICE_UUID_INVALID")


async def test_a_fault_of_the_server_ends_the_stream_and_is_not_told(
    device: WireDevice, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    async with upload_call(device) as stream:
        monkeypatch.setattr(store, "upload", fail)
        await stream.send(insert(1, "a"))
        error = await stream.error()

    assert error_of(error) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    assert "secret" not in str(error.details())


async def _as_it_is(message: upload_pb2.UploadRequest) -> upload_pb2.UploadRequest:
    return message


async def test_one_message_is_taken_ahead_and_read_when_it_is_time() -> None:
    taken: list[int] = []
    read: list[int] = []

    async def requests() -> AsyncIterator[upload_pb2.UploadRequest]:
        for number in range(5):
            taken.append(number)
            yield upload_pb2.UploadRequest(settled_through=number)

    async def note(request: upload_pb2.UploadRequest) -> upload_pb2.UploadRequest:
        read.append(request.settled_through)
        return request

    messages = _Messages(requests(), note, Drain())
    for number in range(5):
        message = await messages.next()
        for _ in range(3):
            await asyncio.sleep(0)
        assert message is not None
        assert message.settled_through == number
        assert len(taken) <= number + 2
        assert len(read) == number + 1
        messages.read_on()
    assert await messages.next() is None
    await messages.close()


async def test_what_was_read_ahead_is_not_decided_once_the_server_stops() -> None:
    async def requests() -> AsyncIterator[upload_pb2.UploadRequest]:
        yield upload_pb2.UploadRequest()

    drain = Drain()
    messages = _Messages(requests(), _as_it_is, drain)
    drain.start()

    with pytest.raises(Draining):
        await messages.next()
    await messages.close()
