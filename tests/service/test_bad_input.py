"""Bad input of SyncService: each with a status, a reason and the field."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.server import limits
from syncline.storage import Store
from syncline.v1 import sync_service_pb2
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import WireDevice, detail_of, error_of, notes, wire_device


async def refused_fields(call: Any) -> list[str]:
    """The fields that the call's INVALID_FIELD names."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    return [violation.field for violation in detail_of(caught.value, error_details_pb2.BadRequest).field_violations]


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("syncline-device-uuid", ""),),
        (("syncline-device-uuid", "not-a-uuid"),),
        (("syncline-device-uuid", "6f1c2b9a3e0d4a519c771d2e3f405162"),),
        (("syncline-device-uuid", str(UUID(int=1))), ("syncline-device-uuid", str(UUID(int=2)))),
    ],
)
async def test_a_device_must_name_itself_by_one_uuid(device: WireDevice, metadata: Any) -> None:
    stub = device.stub
    for call in (
        stub.StartSession(sync_service_pb2.StartSessionRequest(), metadata=metadata),
        stub.ReadQueue(sync_service_pb2.ReadQueueRequest(session_id="x"), metadata=metadata).read(),
        stub.FetchQueue(sync_service_pb2.FetchQueueRequest(session_id="x"), metadata=metadata),
        stub.Acknowledge(sync_service_pb2.AcknowledgeRequest(), metadata=metadata),
        stub.GetSchema(sync_service_pb2.GetSchemaRequest(), metadata=metadata),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "DEVICE_UUID_INVALID")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"scopes": [""]}, ["scopes[0]"]),
        ({"scopes": ["main", "s" * 101]}, ["scopes[1]"]),
        ({"scopes": ["a\0b"]}, ["scopes[0]"]),
        ({"scopes": ["s"] * 101}, ["scopes"]),
        ({"filters": [{"scope": ""}]}, ["filters[0].scope"]),
        ({"filters": [{"scope": "main"}, {"scope": "main"}]}, ["filters[1].scope"]),
        ({"filters": [{"scope": "main", "buckets": ["b" * 201]}]}, ["filters[0].buckets[0]"]),
        ({"filters": [{"scope": "main", "buckets": ["b"] * 1_001}]}, ["filters[0].buckets"]),
        ({"filters": [{"scope": "main"}] * 101}, ["filters"]),
        ({"positions": [{"scope": "main", "position": "?"}]}, ["positions[0].position"]),
        ({"positions": [{"scope": "main", "position": ""}]}, ["positions[0].position"]),
        ({"positions": [{"scope": "main", "position": "A" * 201}]}, ["positions[0].position"]),
        ({"refused": [{"object_type": "", "key": "k", "revision": 1}]}, ["refused[0].object_type"]),
        ({"refused": [{"object_type": "note", "key": "k" * 1_025, "revision": 1}]}, ["refused[0].key"]),
        ({"refused": [{"object_type": "note", "key": "k", "revision": 0}]}, ["refused[0].revision"]),
        ({"refused": [{"object_type": "note", "key": "k", "revision": -1, "reason": "\0"}]}, None),
        ({"client": {"name": "n" * 101, "version": "v" * 101}}, ["client.name", "client.version"]),
    ],
)
async def test_start_session_fields(device: WireDevice, fields: dict[str, Any], refused: list[str] | None) -> None:
    expected = refused or ["refused[0].revision", "refused[0].reason"]

    assert await refused_fields(device.start(**fields)) == expected


async def test_a_feed_has_one_position(device: WireDevice) -> None:
    (position,) = (await device.start()).feeds

    assert await refused_fields(device.start(positions=[position, position])) == ["positions[1]"]


@pytest.mark.parametrize("page_size", [0, -1, limits.PAGE_SIZE_MAX + 1])
async def test_page_size(device: WireDevice, page_size: int) -> None:
    session_id = await device.start_id(always=True)

    assert await refused_fields(device.stream(session_id, page_size=page_size).read()) == ["page_size"]
    assert await refused_fields(device.fetch(session_id, page_size=page_size)) == ["page_size"]


@pytest.mark.parametrize("session_id", ["", "s" * 101, "a\0b"])
async def test_malformed_session(device: WireDevice, session_id: str) -> None:
    assert await refused_fields(device.stream(session_id).read()) == ["session_id"]
    assert await refused_fields(device.fetch(session_id)) == ["session_id"]


async def test_unknown_session_and_another_device_s(device: WireDevice) -> None:
    stranger = WireDevice(device.channel)
    session_id = await device.start_id(always=True)

    for call in (
        device.stream("unknown").read(),
        device.fetch(uuid4().hex),
        stranger.stream(session_id).read(),
        stranger.fetch(session_id),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert error_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


async def test_expired_session(store: Store) -> None:
    async with running_app(store, session_minutes=1e-9) as app, wire_device(app.address) as device:
        session_id = await device.start_id(always=True)

        for call in (device.stream(session_id).read(), device.fetch(session_id)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "SESSION_EXPIRED")


async def test_too_many_keys_and_rejections(device: WireDevice) -> None:
    rejections = [sync_service_pb2.Rejection(object_type="note", key="k", revision=1)] * 1_001

    assert await refused_fields(device.acknowledge(*["k"] * 5_001, rejections=rejections)) == ["ack_keys", "rejections"]


async def test_all_broken_rules_are_named_up_to_a_limit(device: WireDevice) -> None:
    assert len(await refused_fields(device.start(scopes=[""] * 50))) == limits.VIOLATIONS_MAX


async def test_bytes_that_are_no_message(device: WireDevice) -> None:
    """Neither junk nor invalid UTF-8 in a text ends in UNKNOWN."""
    for junk in (b"\xff\xff\xff", b"\x0a\x02\xff\xfe"):
        call: Any = device.channel.unary_unary("/syncline.v1.SyncService/FetchQueue")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(junk, metadata=device.metadata)
        assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_a_fault_of_the_server_is_not_told(
    device: WireDevice, in_process_server: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one answer to what nobody foresaw: a request id, and nothing of what is inside."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret path /etc/secret")

    in_process_server.store.write_records("dev", notes(1))
    session_id = await device.start_id()
    monkeypatch.setattr(in_process_server.store, "read_queue", fail)

    for call in (device.stream(session_id).read(), device.fetch(session_id)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert error_of(caught.value) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
        assert "secret" not in str(caught.value.details())
        request_id = detail_of(caught.value, error_details_pb2.RequestInfo).request_id
        assert request_id in (caught.value.details() or "")
