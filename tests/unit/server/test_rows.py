"""Rows of a connected system as they are read: into writes, or into details that say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.records import record_write
from syncline.server.requests.connectors.contract import BadRow, IncomingRow
from syncline.server.requests.merging import RecordRowWriter
from syncline.server.requests.rows import RowReader
from syncline.storage.request_models import Detail, OnMatch, Severity, SourceRow

THING = ObjectType(
    name="thing",
    scope="main",
    fields=(
        Field("id", FieldType.STRING, required=True),
        Field("count", FieldType.INTEGER),
        Field("size", FieldType.NUMBER),
        Field("price", FieldType.DECIMAL),
        Field("open", FieldType.BOOLEAN),
        Field("day", FieldType.DATE),
        Field("name", FieldType.STRING, max_length=5),
        Field("more", FieldType.JSON),
    ),
    primary_key=("id",),
)
KEYLESS = ObjectType(name="keyless", scope="main", fields=(Field("text", FieldType.STRING),))
SCHEMA = Schema(object_types=(THING, KEYLESS))


def read(data: dict[str, Any], **more: Any) -> SourceRow | Detail:
    return read_row(IncomingRow("thing", data, **more))


def read_row(row: IncomingRow) -> SourceRow | Detail:
    """What becomes of one row."""
    read_rows = RowReader(SCHEMA).read_all([row])
    made: list[SourceRow | Detail] = [*read_rows.rows, *read_rows.details]
    assert len(made) == 1
    return made[0]


@pytest.mark.parametrize(
    "data",
    [
        {"id": "a"},
        {"name": 'é\u2028/"', "id": "a", "count": None},
        {"id": "a", "size": 5.0, "count": 3.0},
        {"id": "a", "size": 1e-7, "price": "1.50", "open": True, "day": "2024-02-29"},
        {"id": "a", "size": 2.5, "more": {"b": [1, None], "a": "\x1f\x7f"}},
        {"id": "a", "more": "\\u0000"},
        {"id": "a", "count": -(2**63), "size": -0.0},
    ],
)
def test_a_row_is_written_as_the_record_that_it_is(data: dict[str, Any]) -> None:
    row = read(data, on_match=OnMatch.SKIP)
    assert isinstance(row, SourceRow)
    image = canonical_bytes(data)
    assert (row.source_key, row.image, row.source_hash, row.on_match) == ("a", image, data_hash(image), OnMatch.SKIP)
    assert RecordRowWriter().write(row, now=5) == record_write(THING, data, modified_at=5)


@pytest.mark.parametrize(
    ("data", "field", "reason", "value"),
    [
        ({"count": 1}, "id", "is required", ""),
        ({"id": None}, "id", "is required", ""),
        ({"id": ""}, "id", "must not be empty", ""),
        ({"id": "a", "count": 2**63}, "count", "64 bits", str(2**63)),
        ({"id": "a", "count": True}, "count", "an integer", "true"),
        ({"id": "a", "size": float("nan")}, "size", "finite", "NaN"),
        ({"id": "a", "name": "too long"}, "name", "at most 5", "too long"),
        ({"id": "a", "day": "2023-02-29"}, "day", "a date", "2023-02-29"),
        ({"id": "a", "more": {"b": [b"x"]}}, "more.b[0]", "no JSON", '{"b": ["b\'x\'"]}'),
        ({"id": "a", "name": "\0"}, "name", "NUL", "\0"),
        ({"id": "a", "name": "\ud800"}, "name", "surrogate", "\ud800"),
        ({"id": "a", "price": "x" * 300}, "price", "decimal", "x" * 200),
        ({"id": "a", "other": 1}, "other", "no such field", "1"),
    ],
)
def test_a_row_that_does_not_fit_is_a_detail(data: dict[str, Any], field: str, reason: str, value: str) -> None:
    detail = read(data, line=3, source_key="s")
    assert isinstance(detail, Detail)
    assert (detail.severity, detail.object_type, detail.line, detail.source_key) == (Severity.ERROR, "thing", 3, "s")
    assert (detail.field, detail.value) == (field, value)
    assert reason in detail.reason


def test_a_type_without_primary_key_takes_the_sources_key() -> None:
    row = read_row(IncomingRow("keyless", {"text": "x"}, source_key="s"))
    assert isinstance(row, SourceRow)
    assert (row.source_key, row.record_key) == ("s", "s")
    nameless = read_row(IncomingRow("keyless", {"text": "x"}))
    assert isinstance(nameless, Detail)
    assert nameless.field == "source_key"


def test_a_source_key_is_held_to_what_a_store_takes() -> None:
    for key in ("x" * 1_025, "\0", "\udfff"):
        detail = read({"id": "a"}, source_key=key)
        assert isinstance(detail, Detail)
        assert detail.field == "source_key"


def test_a_batch_keeps_apart_what_is_written_deleted_and_refused() -> None:
    rows = [
        IncomingRow("thing", {"id": "a"}),
        IncomingRow("thing", {}, source_key="gone", deleted=True),
        IncomingRow("thing", {}, source_key="", deleted=True),
        IncomingRow("nothing", {"id": "a"}),
        IncomingRow("nothing", {}, source_key="x", deleted=True),
        IncomingRow("thing", {"id": 1}),
    ]
    read_rows = RowReader(SCHEMA).read_all(rows, [BadRow("thing", "is no JSON", line=4, value="{")])
    assert [row.source_key for row in read_rows.rows] == ["a"]
    assert read_rows.deleted_keys == (("thing", "gone"),)
    assert read_rows.failed == {"thing": 3, "nothing": 2}
    assert [(detail.object_type, detail.line) for detail in read_rows.details] == [
        ("thing", 4),
        ("thing", 0),
        ("nothing", 0),
        ("nothing", 0),
        ("thing", 0),
    ]


def test_a_row_that_json_cannot_spell_spoils_no_other_of_its_batch() -> None:
    good, part = {"id": "a", "more": "},\n,{"}, {"id": "b", "name": "\ud800"}
    read_rows = RowReader(SCHEMA).read_all([IncomingRow("thing", data) for data in (good, part, {**good, "id": "c"})])
    assert [(row.record_key, row.image) for row in read_rows.rows] == [
        ("a", canonical_bytes(good)),
        ("c", canonical_bytes({**good, "id": "c"})),
    ]
    assert [(detail.source_key, detail.field) for detail in read_rows.details] == [("b", "name")]


def test_a_row_that_came_back_after_its_delete_is_not_deleted() -> None:
    gone, there = IncomingRow("thing", {}, source_key="a", deleted=True), IncomingRow("thing", {"id": "a"})
    reader = RowReader(SCHEMA)
    assert reader.read_all([there, gone, there]).deleted_keys == ()
    assert reader.read_all([there, gone]).deleted_keys == (("thing", "a"),)


def test_a_refused_row_is_known_by_its_record_s_key_if_it_brings_none() -> None:
    assert read({"id": "a", "count": "none"}).source_key == "a"
    assert read({"id": 7}).source_key == ""
