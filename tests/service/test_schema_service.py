"""SchemaService, and GetSchema, over a socket."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.v1 import schema_pb2, schema_service_pb2, schema_service_pb2_grpc, sync_service_pb2
from tests.harness.wire import WireDevice, detail_of, error_of


def note_type(*more_fields: schema_pb2.Field) -> schema_pb2.ObjectType:
    """The object type `note` of the harness, and more."""
    return schema_pb2.ObjectType(
        name="note",
        scope="main",
        fields=[
            schema_pb2.Field(name="id", type=schema_pb2.FIELD_TYPE_STRING, required=True),
            schema_pb2.Field(name="text", type=schema_pb2.FIELD_TYPE_STRING),
            *more_fields,
        ],
        primary_key=["id"],
    )


STARS = schema_pb2.Field(name="stars", type=schema_pb2.FIELD_TYPE_INTEGER)


async def apply(device: WireDevice, *object_types: schema_pb2.ObjectType) -> schema_service_pb2.ApplySchemaResponse:
    stub = schema_service_pb2_grpc.SchemaServiceStub(device.channel)
    return await stub.ApplySchema(
        schema_service_pb2.ApplySchemaRequest(schema=schema_pb2.Schema(object_types=object_types))
    )


async def get_schema(device: WireDevice, known_version: int = 0) -> sync_service_pb2.GetSchemaResponse:
    request = sync_service_pb2.GetSchemaRequest(known_version=known_version)
    return await device.stub.GetSchema(request, metadata=device.metadata)


async def test_get_schema_unless_it_is_known(device: WireDevice) -> None:
    schema = (await get_schema(device)).schema

    assert schema.version == 1
    assert [kind.name for kind in schema.object_types] == ["note"]
    assert schema.object_types[0].conflict_policy == schema_pb2.CONFLICT_POLICY_MERGE_FIELDS
    assert not (await get_schema(device, known_version=1)).HasField("schema")


async def test_an_addition_is_taken_and_devices_are_told(device: WireDevice) -> None:
    answer = await apply(device, note_type(STARS))

    assert answer.schema.version == 2
    assert [(one.path, one.allowed) for one in answer.differences] == [("note.fields.stars", True)]
    assert (await device.start()).schema_version == 2
    assert [field.name for field in (await get_schema(device, 1)).schema.object_types[0].fields][-1] == "stars"


async def test_the_schema_in_force_changes_nothing(device: WireDevice) -> None:
    answer = await apply(device, note_type())

    assert answer.schema.version == 1
    assert not answer.differences


async def test_diff_says_what_would_be_refused(device: WireDevice) -> None:
    stub = schema_service_pb2_grpc.SchemaServiceStub(device.channel)
    fewer = note_type(STARS)
    del fewer.fields[1]

    answer = await stub.DiffSchema(schema_service_pb2.DiffSchemaRequest(schema=schema_pb2.Schema(object_types=[fewer])))

    found = {one.path: one.allowed for one in answer.differences}
    assert found == {"note.fields.text": False, "note.fields.stars": True}
    assert (await get_schema(device)).schema.version == 1


async def test_a_change_that_takes_away_is_refused_whole(device: WireDevice) -> None:
    fewer = note_type(STARS)
    del fewer.fields[1]

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(device, fewer)

    assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "SCHEMA_CHANGE_REFUSED")
    (violation,) = detail_of(caught.value, error_details_pb2.PreconditionFailure).violations
    assert violation.subject == "note.fields.text"
    assert (await get_schema(device)).schema.version == 1


async def test_a_malformed_schema_names_the_place(device: WireDevice) -> None:
    twice = note_type(schema_pb2.Field(name="text", type=schema_pb2.FIELD_TYPE_STRING))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(device, twice)

    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    (violation,) = detail_of(caught.value, error_details_pb2.BadRequest).field_violations
    assert violation.field.startswith("note.fields")


async def test_a_field_without_a_type_is_refused(device: WireDevice) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await apply(device, note_type(schema_pb2.Field(name="untyped")))

    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    (violation,) = detail_of(caught.value, error_details_pb2.BadRequest).field_violations
    assert violation.field == "schema.object_types[0].fields[2].type"
