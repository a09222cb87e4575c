"""What becomes of a record that its source and a device both changed."""

from __future__ import annotations

import json
from typing import Any

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.records import encode_frame
from syncline.server.requests.connectors.contract import IncomingRow
from syncline.server.requests.merging import RecordRowWriter
from syncline.server.requests.rows import RowReader
from syncline.storage.upload_models import CurrentRecord
from syncline.v1.frame_pb2 import Frame

PERSON = ObjectType(
    name="person",
    scope="main",
    fields=(
        Field("id", FieldType.STRING, required=True),
        Field("name", FieldType.STRING),
        Field("phone", FieldType.STRING),
        Field("tags", FieldType.JSON),
    ),
    primary_key=("id",),
)
BASE = {"id": "a", "name": "Ann", "phone": "1"}


def merged(known: dict[str, Any], live: dict[str, Any], new: dict[str, Any]) -> Frame:
    """What is written, having checked that it is encoded as a record is."""
    image = canonical_bytes(live)
    current = CurrentRecord("main", "north", 7, encode_frame("person", "a", "north", 1, image), b"", b"", None)
    (row,) = RowReader(Schema(object_types=(PERSON,))).read_all([IncomingRow("person", new)]).rows
    write = RecordRowWriter().merge(row, canonical_bytes(known), current, now=5)
    assert write.frame is not None
    frame = Frame.FromString(write.frame)
    assert write.data_hash == data_hash(frame.data)
    assert (write.object_type, write.key, write.bucket, write.modified_at) == ("person", "a", None, 5)
    return frame


def test_a_devices_edit_of_another_field_stays() -> None:
    frame = merged(BASE, BASE | {"phone": "2"}, BASE | {"name": "Anna"})
    assert json.loads(frame.data) == {"id": "a", "name": "Anna", "phone": "2"}
    assert frame.data == canonical_bytes(json.loads(frame.data))
    assert frame.bucket == "north", "the frame names the bucket where the record is"


def test_the_source_wins_where_both_changed_a_field() -> None:
    assert json.loads(merged(BASE, BASE | {"name": "Anja"}, BASE | {"name": "Anna"}).data)["name"] == "Anna"


def test_a_field_that_the_source_no_longer_has_goes() -> None:
    without = {"id": "a", "phone": "1"}
    assert json.loads(merged(BASE, BASE | {"phone": "2"}, without).data) == {"id": "a", "phone": "2"}


def test_values_that_python_takes_for_equal_are_told_apart() -> None:
    frame = merged(BASE | {"tags": [True]}, BASE | {"tags": [True]}, BASE | {"tags": [1]})
    assert json.loads(frame.data)["tags"] == [1]
    assert b"true" not in frame.data


def test_what_is_too_long_together_is_taken_from_the_source() -> None:
    half = "x" * 600_000
    new = BASE | {"name": half}
    assert json.loads(merged(BASE, BASE | {"phone": half}, new).data) == new
