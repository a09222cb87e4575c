"""What a server serves: all services, or those of devices or of sync requests only."""

from __future__ import annotations

import grpc
import pytest

from syncline.storage import open_store
from syncline.v1 import schema_service_pb2, schema_service_pb2_grpc
from tests.harness.server import declare_notes, running_app
from tests.harness.wire import is_serving
from tests.service.requesting import RequestCalls, row, status

OF_DEVICES = ["syncline.v1.SyncService", "syncline.v1.SchemaService"]
OF_REQUESTS = ["syncline.v1.SyncRequestService", "syncline.v1.AppEnrollmentService"]
OF_ALL = ["syncline.v1.DiagnosticsService"]


@pytest.mark.parametrize(
    ("services", "served"),
    [
        ("all", OF_DEVICES + OF_REQUESTS + OF_ALL),
        ("sync", OF_DEVICES + OF_ALL),
        ("sync-request", OF_REQUESTS + OF_ALL),
    ],
)
async def test_only_what_is_asked_for_is_served(services: str, served: list[str]) -> None:
    store = open_store("memory:")
    async with running_app(store, services=services) as app, grpc.aio.insecure_channel(app.address) as channel:
        assert [service for service in served if await is_serving(channel, service)] == served
        refused = []
        for call in (RequestCalls(channel).list, lambda: _diff_schema(channel)):
            try:
                await call()
            except grpc.aio.AioRpcError as error:
                refused.append(error.code())
    store.close()

    assert refused == ([grpc.StatusCode.UNIMPLEMENTED] if services != "all" else [])


async def test_two_servers_over_one_store_share_the_work() -> None:
    store = open_store("memory:")
    declare_notes(store)
    async with (
        running_app(store, services="sync-request", embedded_worker=False) as asked,
        running_app(store, services="sync-request", poll_seconds=0.01),
        grpc.aio.insecure_channel(asked.address) as channel,
    ):
        calls = RequestCalls(channel)
        made = await calls.load([row("a")])

        assert status(await calls.ended(made.sync_request_id)) == "SUCCESS"
    store.close()


async def _diff_schema(channel: grpc.aio.Channel) -> schema_service_pb2.DiffSchemaResponse:
    stub: schema_service_pb2_grpc.SchemaServiceAsyncStub = schema_service_pb2_grpc.SchemaServiceStub(channel)
    return await stub.DiffSchema(schema_service_pb2.DiffSchemaRequest())
