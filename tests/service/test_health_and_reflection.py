"""Health always, as long as the database is there; reflection on request."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from sqlalchemy import create_engine, text

from syncline.server.background import DatabaseWatch
from syncline.storage import Store, open_store
from tests.chaos.fuzz_garbage import DATA, HEADERS, PING, PREFACE, SETTINGS, call_headers, frame
from tests.harness.postgres import PostgresServer
from tests.harness.server import running_app
from tests.harness.wire import error_of, is_serving, wire_device


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


@pytest.mark.parametrize(
    "path", ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/syncline.v1.SyncService/GetSchema"]
)
async def test_what_is_no_message_is_the_fault_of_who_sent_it(store: Store, path: str) -> None:
    async with running_app(store) as server, grpc.aio.insecure_channel(server.address) as channel:
        call: Any = channel.unary_stream(path)  # a unary answer is read alike
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff").read()
        assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_health_lists_all_services(store: Store) -> None:
    async with running_app(store) as server, grpc.aio.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary("/grpc.health.v1.Health/List")
        assert b"syncline.v1.SyncService" in await call(b"")


async def test_who_watches_health_and_reads_nothing_holds_up_nobody(store: Store) -> None:
    async with running_app(store) as server:
        reader, writer = await asyncio.open_connection(*server.address.split(":"))
        # A window of 0: no byte of an answer may be sent, ever.
        writer.write(PREFACE + frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"))
        writer.write(frame(HEADERS, 4, 1, call_headers(b"/grpc.health.v1.Health/Watch")) + frame(DATA, 1, 1, bytes(5)))
        writer.write(frame(PING, 0, 0, b"have you"))
        await reader.readuntil(b"have you")  # it has come to the call, and to what stands before it
        async with asyncio.timeout(30):
            await server.app.drain()
        writer.close()


async def test_a_server_without_its_database_is_not_ready_until_it_is_back(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    names = ["", "syncline.v1.SyncService"]
    servicer = health.aio.HealthServicer()
    with closing(open_store(postgres_url)) as store:
        async with running_app(store) as server:
            for name in names:
                await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
            watch = DatabaseWatch(server.environment, servicer, names[1:])
            postgres_server.let_connect(postgres_url, False)
            assert await looks(watch, servicer, names) == [True, True]
            assert await looks(watch, servicer, names) == [False, False]
            postgres_server.let_connect(postgres_url, True)
            assert await looks(watch, servicer, names) == [True, True]


async def test_a_server_whose_database_is_of_another_version_is_not_ready(postgres_url: str) -> None:
    names = ["", "syncline.v1.SyncService"]
    servicer = health.aio.HealthServicer()
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with closing(open_store(postgres_url)) as store:
        async with running_app(store) as server:
            for name in names:
                await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
            watch = DatabaseWatch(server.environment, servicer, names[1:])
            with engine.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
            assert await looks(watch, servicer, names) == [True, True]
            assert await looks(watch, servicer, names) == [False, False]
    engine.dispose()


async def looks(watch: DatabaseWatch, servicer: health.aio.HealthServicer, names: list[str]) -> list[bool]:
    """Look once; which services are ready then."""
    await watch.look()
    asking: Any = servicer.Check
    answers = [await asking(health_pb2.HealthCheckRequest(service=name), None) for name in names]
    return [answer.status == health_pb2.HealthCheckResponse.SERVING for answer in answers]
