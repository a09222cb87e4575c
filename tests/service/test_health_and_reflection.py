"""Health always, reflection on request."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from syncline.storage import Store
from tests.harness.server import running_app
from tests.harness.wire import is_serving, wire_device


@pytest.mark.parametrize("service", ["", "syncline.v1.SyncService", "syncline.v1.SchemaService"])
async def test_each_service_is_serving(store: Store, service: str) -> None:
    async with running_app(store) as server, wire_device(server.address) as device:
        assert await is_serving(device.channel, service)


async def list_services(address: str) -> set[str]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # the stubs forget aio
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await call.read()
        return {service.name for service in answer.list_services_response.service}


async def test_reflection_lists_the_services(store: Store) -> None:
    async with running_app(store, reflection=True) as server:
        assert await list_services(server.address) >= {"syncline.v1.SyncService", "syncline.v1.SchemaService"}


async def test_reflection_is_off_unless_asked_for(store: Store) -> None:
    async with running_app(store) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await list_services(server.address)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
