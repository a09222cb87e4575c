"""Streams on which nothing happens: they end soon after their device or their caller may not go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
import pytest

from syncline.server.acts import act_of_operator
from syncline.storage import Store, open_store
from syncline.storage.models import DeviceAccess
from syncline.v1 import sync_request_service_pb2, sync_service_pb2
from tests.harness.callers import NamedCallers, caller
from tests.harness.server import RunningApp, declare_notes, running_app
from tests.harness.wire import WireDevice, error_of, next_page, wire_device
from tests.service.requesting import RequestCalls, row
from tests.service.test_upload_batch import NOTES_ZIP, header_of
from tests.service.uploading import UploadCall, upload_call


@pytest.fixture
def store() -> Store:
    """A store in memory: nothing here depends on which it is."""
    store = open_store("memory:")
    declare_notes(store)
    return store


@pytest.fixture
async def in_process_server(store: Store) -> AsyncIterator[RunningApp]:
    """A server whose idle streams look soon whether they may go on."""
    async with running_app(store, recheck_seconds=0.02) as app:
        yield app


def set_access(store: Store, device: WireDevice, access: DeviceAccess, *, upload_first: bool = False) -> None:
    """Change what the device may do behind the server's back, as another server would."""
    act = act_of_operator("device.test", str(device.uuid))
    store.set_access("dev", device.uuid, access, upload_first=upload_first, act=act)


@pytest.mark.parametrize(
    ("decide", "reason"),
    [
        (lambda store, device: set_access(store, device, DeviceAccess.DISABLED), "DEVICE_DISABLED"),
        (lambda store, device: set_access(store, device, DeviceAccess.WIPING), "DEVICE_WIPED"),
        (
            lambda store, device: store.forget_device("dev", device.uuid, act=act_of_operator("device.forget", "")),
            "DEVICE_NOT_FOUND",
        ),
        (lambda store, device: store.open_upload("dev", device.uuid, stream_id=7), "SUPERSEDED"),
    ],
    ids=["disabled", "to be wiped", "forgotten", "another stream"],
)
async def test_an_idle_upload_ends_when_its_device_may_not_go_on(
    device: WireDevice, store: Store, decide: Callable[[Store, WireDevice], object], reason: str
) -> None:
    async with upload_call(device) as stream:
        await stream.upload()
        decide(store, device)
        assert error_of(await stream.error())[1] == reason


async def test_an_idle_upload_goes_on_if_its_device_is_to_send_its_changes_before_the_wipe(
    device: WireDevice, store: Store, in_process_server: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = store.get_device

    def count(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return look(*arguments)

    async with upload_call(device) as stream:
        await stream.upload()
        set_access(store, device, DeviceAccess.WIPING, upload_first=True)
        monkeypatch.setattr(store, "get_device", count)
        await in_process_server.until(lambda: looks > 1)
        await stream.end()


Reading: TypeAlias = Callable[[], Any]


async def read_queue(device: WireDevice, _: RequestCalls) -> Reading:
    """A live ReadQueue that waits for news."""
    stream = device.stream(await device.start_id(always=True), follow=True)
    await next_page(stream)
    return stream.read


async def upload(device: WireDevice, _: RequestCalls) -> Reading:
    """An Upload that waits for changes."""
    stream = UploadCall(device, (await device.start()).store_epoch)
    await stream.upload()
    return stream.call.read


async def upload_batch(device: WireDevice, calls: RequestCalls) -> Reading:
    """An UploadBatch that waits for chunks."""
    call = calls.requests.UploadBatch(metadata=device.metadata)
    await call.write(sync_request_service_pb2.UploadBatchRequest(header=header_of(NOTES_ZIP)))
    return lambda: call


async def watch(device: WireDevice, calls: RequestCalls) -> Reading:
    """A WatchSyncRequest that waits for a change."""
    parent_id = str(uuid4())
    place = sync_request_service_pb2.BatchPlace(parent_sync_request_id=parent_id, current_batch=1, total_batches=2)
    first = sync_request_service_pb2.CreateBatchImportRequest(rows=[row("a")], batch=place)
    await calls.requests.CreateBatchImport(first, metadata=device.metadata)
    asked = sync_request_service_pb2.WatchSyncRequestRequest(sync_request_id=parent_id)
    call = calls.requests.WatchSyncRequest(asked, metadata=device.metadata)
    await call.read()

    async def read_on() -> None:  # what became of the batch may have to come yet
        while await call.read() is not grpc.aio.EOF:
            pass

    return read_on


STREAMS = {"ReadQueue": read_queue, "Upload": upload, "UploadBatch": upload_batch, "WatchSyncRequest": watch}


def test_every_stream_is_looked_at() -> None:
    services = (sync_service_pb2.DESCRIPTOR, sync_request_service_pb2.DESCRIPTOR)
    methods = [method for file in services for one in file.services_by_name.values() for method in one.methods]
    assert STREAMS.keys() == {one.name for one in methods if one.client_streaming or one.server_streaming}


@pytest.mark.parametrize("method", STREAMS)
async def test_an_idle_stream_ends_when_its_credential_has(store: Store, method: str) -> None:
    callers = NamedCallers({"ann": caller("dev")})
    settings = {"api_keys": True, "credential_cache_seconds": 0.02}
    async with running_app(store, callers, **settings) as app, wire_device(app.address) as device:
        device.metadata += (("authorization", "Bearer ann"),)
        read = await STREAMS[method](device, RequestCalls(device.channel))
        callers.callers.clear()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await read()
        assert error_of(ended.value) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
