"""What a tap's catalog says, in object types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from syncline.client import EnrollmentClient
from syncline.data.schema import Field, FieldType, Schema
from syncline.server.requests.connectors.contract import ConnectorError, Job
from syncline.server.requests.connectors.singer.connector import SingerConnector
from syncline.server.requests.connectors.singer.settings import SingerSettings
from syncline.server.requests.connectors.singer.streams import discovered_streams
from tests.replica.serving import served_store

CONNECTOR = SingerConnector()
NOTHING = Schema()


def field_types(properties: dict[str, Any], **stream: Any) -> dict[str, FieldType]:
    described = {"tap_stream_id": "s", "schema": {"properties": {"id": {"type": "integer"}, **properties}}}
    job = Job({}, {}, NOTHING, full=True, cursor="")
    (found,) = discovered_streams([{**described, "key_properties": ["id"], **stream}], SingerSettings(tap="a/b"), job)
    assert found.object_type is not None
    return {field.name: field.type for field in found.object_type.fields if field.name != "id"}


def test_the_streams_of_a_tap_are_told_of_those_that_are_read_first(tap_job: Callable[..., Job]) -> None:
    things, others = CONNECTOR.discover(replace(tap_job(), schema=NOTHING))
    assert (things.name, things.selected, others.name, others.selected) == (
        *("public-things", True),
        *("public-others", False),
    )
    assert things.object_type is not None
    assert (things.object_type.name, things.object_type.primary_key) == ("thing", ("id",))
    assert things.object_type.fields == (
        Field("id", FieldType.INTEGER, required=True),
        Field("name", FieldType.STRING),
        Field("price", FieldType.NUMBER),
        Field("day", FieldType.TIMESTAMP),
        Field("at", FieldType.TIMESTAMP),
    )


def test_a_service_may_ask_before_streams_are_chosen(tap_job: Callable[..., Job]) -> None:
    settings = {**tap_job().settings, "streams": {}}
    with served_store() as server, EnrollmentClient(server.address) as client:
        enrollment = client.create("tap", "singer", settings=settings)
        streams = client.discover(enrollment.app_enrollment_id)
    assert [(stream.name, stream.selected) for stream in streams] == [
        ("public-things", False),
        ("public-others", False),
    ]
    assert [stream.object_type.name for stream in streams if stream.object_type] == ["things", "others"]
    with pytest.raises(ConnectorError, match="streams: name at least one"):
        list(CONNECTOR.read(replace(tap_job(), settings=settings)))


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"type": ["null", "integer"]}, FieldType.INTEGER),
        ({"type": ["integer", "number"]}, FieldType.NUMBER),
        ({"type": "boolean"}, FieldType.BOOLEAN),
        ({"type": "string", "format": "date"}, FieldType.DATE),
        ({"type": "string", "format": "singer.decimal"}, FieldType.DECIMAL),
        ({"type": "string", "format": "email"}, FieldType.STRING),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["null"]}]}, FieldType.TIMESTAMP),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}, FieldType.STRING),
        ({"type": ["string", "integer"]}, FieldType.JSON),
        ({"type": ["null", "object"], "properties": {}}, FieldType.JSON),
        ({"type": "array"}, FieldType.JSON),
        ({}, FieldType.JSON),
    ],
)
def test_json_schemas_become_types(described: dict[str, Any], expected: FieldType) -> None:
    assert field_types({"x": described}) == {"x": expected}


def test_columns_that_never_come_are_left_out() -> None:
    metadata = [{"breadcrumb": ["properties", "odd"], "metadata": {"inclusion": "unsupported"}}]
    properties = {"odd": {"type": "string"}, "_sdc_batched_at": {"type": "string"}, "x": {"type": "string"}}
    assert field_types(properties, metadata=metadata) == {"x": FieldType.STRING}


def test_a_stream_without_a_key_is_told_of_without_a_type() -> None:
    job = Job({}, {}, NOTHING, full=True, cursor="")
    streams: list[dict[str, Any]] = [
        {"tap_stream_id": "s", "schema": {"properties": {"a": {}}}},
        {"tap_stream_id": "t"},
    ]
    found = discovered_streams(streams, SingerSettings(tap="a/b"), job)
    assert [(stream.object_type, stream.note) for stream in found] == [
        (None, "the catalog names no key; declare the object type"),
        (None, "the catalog describes no properties of it"),
    ]
