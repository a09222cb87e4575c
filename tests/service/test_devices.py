"""DeviceService: what people do to devices, and what their calls come to then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from syncline.v1 import device_service_pb2, device_service_pb2_grpc, sync_service_pb2, upload_pb2
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import WireDevice, detail_of, error_of, keys, next_page, note, notes, wire_device
from tests.service.uploading import insert, upload_call

DISABLED = (grpc.StatusCode.PERMISSION_DENIED, "DEVICE_DISABLED")
WIPED = (grpc.StatusCode.FAILED_PRECONDITION, "DEVICE_WIPED")
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "DEVICE_NOT_FOUND")


@pytest.fixture
def people(device: WireDevice) -> device_service_pb2_grpc.DeviceServiceAsyncStub:
    """The calls of those who operate the account, over the device's connection."""
    return device_service_pb2_grpc.DeviceServiceStub(device.channel)


def device_calls(device: WireDevice, session_id: str, store_epoch: str) -> list[Callable[[], Awaitable[object]]]:
    """Every call of a device."""
    stub, metadata = device.stub, device.metadata

    async def upload() -> object:
        async with upload_call(device, store_epoch=store_epoch) as stream:
            return await stream.upload(insert(1, "z", "note"))

    return [
        device.start,
        lambda: device.read(session_id),
        lambda: device.fetch(session_id),
        lambda: device.acknowledge("nothing"),
        upload,
        lambda: stub.ListConflicts(upload_pb2.ListConflictsRequest(), metadata=metadata),
        lambda: stub.Reconcile(
            upload_pb2.ReconcileRequest(object_type="note", ranges=[upload_pb2.KeyRange(digest=bytes(16))]),
            metadata=metadata,
        ),
        lambda: stub.GetSchema(sync_service_pb2.GetSchemaRequest(), metadata=metadata),
    ]


async def refusal(call: Callable[[], Awaitable[object]]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    return error_of(caught.value)


async def test_every_call_of_a_disabled_device_is_refused_and_its_stream_ends(
    device: WireDevice,
    in_process_server: RunningApp,
    people: device_service_pb2_grpc.DeviceServiceAsyncStub,
) -> None:
    in_process_server.store.write_records("dev", notes(2))
    started = await device.start()
    live = device.stream(started.session.id, follow=True)
    page = await next_page(live)
    await device.acknowledge(page.page_ack_key)
    named = str(device.uuid)

    told = await people.DisableDevice(device_service_pb2.DisableDeviceRequest(device_uuid=named))

    assert told.state == device_service_pb2.DEVICE_STATE_DISABLED
    assert await refusal(live.read) == DISABLED  # though nothing was written, and long before the stream rechecks
    for call in device_calls(device, started.session.id, started.store_epoch):
        assert await refusal(call) == DISABLED
    in_process_server.store.write_records("dev", [note("n0", "later")])
    told = await people.EnableDevice(device_service_pb2.EnableDeviceRequest(device_uuid=named))
    assert told.state == device_service_pb2.DEVICE_STATE_ACTIVE
    assert keys(await device.sync()) == ["n0"]


async def test_a_device_is_told_to_remove_its_copy_and_says_that_it_did(
    device: WireDevice, people: device_service_pb2_grpc.DeviceServiceAsyncStub
) -> None:
    started = await device.start(always=True)
    confirm = sync_service_pb2.ConfirmWipeRequest(given_up=3)

    async def confirmed() -> object:
        return await device.stub.ConfirmWipe(confirm, metadata=device.metadata)

    assert await refusal(confirmed) == (grpc.StatusCode.FAILED_PRECONDITION, "WIPE_NOT_ASKED")
    named = str(device.uuid)
    await people.WipeDevice(device_service_pb2.WipeDeviceRequest(device_uuid=named))
    for call in device_calls(device, started.session.id, started.store_epoch):
        assert await refusal(call) == WIPED
    await people.WipeDevice(device_service_pb2.WipeDeviceRequest(device_uuid=named, upload_first=True))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await device.start()
    told = detail_of(caught.value, error_details_pb2.ErrorInfo).metadata
    assert (told["account"], told["upload_first"]) == ("dev", "true")
    await confirmed()
    found = await people.GetDevice(device_service_pb2.GetDeviceRequest(device_uuid=named))
    assert found.state == device_service_pb2.DEVICE_STATE_WIPED
    entries = (await people.ListAuditEntries(device_service_pb2.ListAuditEntriesRequest(action="device."))).entries
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("device.wiped", named),
        ("device.wipe", named),
        ("device.wipe", named),
    ]
    assert entries[0].details["given_up"] == "3"


async def test_a_forgotten_device_is_new_when_it_comes_back(
    device: WireDevice, in_process_server: RunningApp, people: device_service_pb2_grpc.DeviceServiceAsyncStub
) -> None:
    in_process_server.store.write_records("dev", notes(2))
    pages = await device.sync()
    live = device.stream(await device.start_id(always=True), follow=True)
    await next_page(live)
    await people.ForgetDevice(device_service_pb2.ForgetDeviceRequest(device_uuid=str(device.uuid)))

    assert await refusal(live.read) == NOT_FOUND
    started = await device.start(positions=pages[-1].feeds)

    assert (
        await refusal(lambda: people.GetDevice(device_service_pb2.GetDeviceRequest(device_uuid=str(uuid4()))))
        == NOT_FOUND
    )
    assert keys(await device.read(started.session.id)) == ["n0", "n1"]


async def test_devices_and_acts_are_listed_page_by_page(
    device: WireDevice, people: device_service_pb2_grpc.DeviceServiceAsyncStub
) -> None:
    devices = [device, *(WireDevice(device.channel) for _ in range(4))]
    for each in devices:
        await each.start()
        await people.DisableDevice(device_service_pb2.DisableDeviceRequest(device_uuid=str(each.uuid)))
    listed: list[str] = []
    token = ""
    while not listed or token:
        page = await people.ListDevices(device_service_pb2.ListDevicesRequest(page_size=2, page_token=token))
        listed += [one.device_uuid for one in page.devices]
        token = page.next_page_token
    assert listed == sorted(str(each.uuid) for each in devices)
    acts: list[str] = []
    token = ""
    while not acts or token:
        asked = device_service_pb2.ListAuditEntriesRequest(page_size=2, page_token=token, action="device.disable")
        answer = await people.ListAuditEntries(asked)
        acts += [entry.subject for entry in answer.entries]
        token = answer.next_page_token
    assert acts == [str(each.uuid) for each in reversed(devices)]
    first = await people.ListAuditEntries(device_service_pb2.ListAuditEntriesRequest(page_size=1))
    other = device_service_pb2.ListAuditEntriesRequest(action="x", page_token=first.next_page_token)
    assert (await refusal(lambda: people.ListAuditEntries(other)))[1] == "PAGE_TOKEN_INVALID"


async def test_g7_parked_items_are_shown_and_sent_again(
    device: WireDevice, in_process_server: RunningApp, people: device_service_pb2_grpc.DeviceServiceAsyncStub
) -> None:
    in_process_server.store.write_records("dev", notes(2))
    refused = [sync_service_pb2.Rejection(object_type="note", key="n1", revision=2, reason="too odd")]
    for _ in range(5):
        pages = await device.read(await device.start_id(always=True))
        await device.acknowledge(*(page.page_ack_key for page in pages), rejections=refused)
    named = str(device.uuid)

    found = await people.GetDevice(device_service_pb2.GetDeviceRequest(device_uuid=named))
    (item,) = (await people.ListRefusedItems(device_service_pb2.ListRefusedItemsRequest(device_uuid=named))).items

    assert (found.parked_items, found.refused_items) == (1, 0)
    assert (item.key, item.reason, item.count, item.parked) == ("n1", "too odd", 5, True)
    one = device_service_pb2.RestoreParkedRequest(device_uuid=named, object_type="note", key="n0")
    assert (await people.RestoreParked(one)).restored == 0
    assert (await people.RestoreParked(device_service_pb2.RestoreParkedRequest(device_uuid=named))).restored == 1
    assert keys(await device.sync()) == ["n1"]


async def test_old_audit_entries_are_swept(store: Store) -> None:
    async with running_app(store, audit_days=1e-9, sweep_minutes=0.0005) as server, wire_device(server.address) as one:
        people: device_service_pb2_grpc.DeviceServiceAsyncStub = device_service_pb2_grpc.DeviceServiceStub(one.channel)
        await one.start()
        await people.DisableDevice(device_service_pb2.DisableDeviceRequest(device_uuid=str(one.uuid)))
        while (await people.ListAuditEntries(device_service_pb2.ListAuditEntriesRequest())).entries:
            pass
