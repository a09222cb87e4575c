"""Resolvers over a socket: named by the schema, asked by Upload."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from syncline.v1 import schema_pb2, schema_service_pb2, schema_service_pb2_grpc, sync_service_pb2
from tests.harness.resolvers import installed_resolvers
from tests.harness.server import running_app
from tests.harness.wire import WireDevice, detail_of, error_of, wire_device
from tests.service.uploading import data, insert, update, upload_once, verdicts

SOURCE = """
def longest(contest):
    return max(contest.server, contest.device, key=lambda record: len(record["text"]))
"""
JUDGED = schema_pb2.ObjectType(
    name="main.judged",
    scope="main",
    fields=[schema_pb2.Field(name="text", type=schema_pb2.FIELD_TYPE_STRING)],
    conflict_policy=schema_pb2.CONFLICT_POLICY_RESOLVER,
    resolver="longest",
    merge_unsent_updates=True,
)


async def _schema(device: WireDevice) -> schema_pb2.Schema:
    request = sync_service_pb2.GetSchemaRequest()
    return (await device.stub.GetSchema(request, metadata=device.metadata)).schema


async def _add(device: WireDevice, kind: schema_pb2.ObjectType) -> None:
    wanted = await _schema(device)
    wanted.object_types.append(kind)
    stub = schema_service_pb2_grpc.SchemaServiceStub(device.channel)
    await stub.ApplySchema(schema_service_pb2.ApplySchemaRequest(schema=wanted))


async def test_a_resolver_that_is_installed_decides(tmp_path: Path, store: Store) -> None:
    with installed_resolvers(tmp_path, SOURCE, {"longest": "longest"}):
        async with running_app(store) as server, wire_device(server.address) as device:
            await _add(device, JUDGED)
            assert JUDGED in (await _schema(device)).object_types
            await upload_once(WireDevice(device.channel), insert(1, "a", "main.judged", text="theirs"))

            longer, shorter = await upload_once(
                device,
                update(1, "a", "main.judged", seen={"text": "old"}, text="mine, which is longer"),
                update(2, "a", "main.judged", seen={"text": "old"}, text="no"),
            )

    assert verdicts([longer, shorter]) == ["APPLIED", "SERVER_WON"]
    assert longer.conflict.policy == schema_pb2.CONFLICT_POLICY_RESOLVER
    assert data(shorter) == {"text": "mine, which is longer"}


async def test_a_schema_that_names_an_unknown_resolver_is_refused(device: WireDevice) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _add(device, JUDGED)

    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    (violation,) = detail_of(caught.value, error_details_pb2.BadRequest).field_violations
    assert violation.field == "main.judged.resolver"
    assert len((await _schema(device)).object_types) == 1
