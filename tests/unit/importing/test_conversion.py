"""From the text of a cell to the value of a field."""

from __future__ import annotations

import io
from typing import Any

import pytest

from syncline.data.errors import DataError
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.importing.conversion import Converter, cell_value, row_converter
from syncline.server.importing.errors import SourceError
from syncline.server.importing.sources import CsvSource, JsonLinesSource

THING = ObjectType(
    "things",
    "main",
    (
        Field("code", FieldType.STRING, required=True, max_length=3),
        Field("count", FieldType.INTEGER),
        Field("must", FieldType.INTEGER, required=True),
    ),
    ("code",),
)


def _converter(header: bytes, *nulls: str) -> Converter:
    return row_converter(THING, CsvSource("t.csv", 0, lambda: io.BytesIO(header)), nulls)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (FieldType.STRING, " x ", " x "),
        (FieldType.INTEGER, "-12", -12),
        (FieldType.INTEGER, "0517", 517),
        (FieldType.INTEGER, "+9223372036854775807", 2**63 - 1),
        (FieldType.NUMBER, "1012", 1012.0),
        (FieldType.NUMBER, "10.357019999999999", 10.357019999999999),
        (FieldType.NUMBER, ".5", 0.5),
        (FieldType.NUMBER, "-1.5E3", -1500.0),
        (FieldType.BOOLEAN, "TRUE", True),
        (FieldType.BOOLEAN, "false", False),
        (FieldType.DECIMAL, "12.50", "12.50"),
        (FieldType.JSON, '{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_text_that_means_a_value(kind: FieldType, text: str, value: Any) -> None:
    found = cell_value(Field("x", kind), text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (FieldType.INTEGER, "1.0"),
        (FieldType.INTEGER, " 1"),
        (FieldType.INTEGER, "1_000"),
        (FieldType.INTEGER, "٣"),
        (FieldType.INTEGER, "9223372036854775808"),
        (FieldType.INTEGER, "9" * 5_000),
        (FieldType.NUMBER, "nan"),
        (FieldType.NUMBER, "1e999"),
        (FieldType.NUMBER, "1,5"),
        (FieldType.NUMBER, "."),
        (FieldType.BOOLEAN, "yes"),
        (FieldType.JSON, "{"),
        (FieldType.JSON, '1,"b":2'),
    ],
)
def test_text_that_means_none(kind: FieldType, text: str) -> None:
    with pytest.raises(DataError, match=r"x: must be .*, not "):
        cell_value(Field("x", kind), text)


def test_empty_cells_and_null_texts_are_absent() -> None:
    convert = _converter(b"code,count,must\n", "NA", "-")
    assert convert({"code": "abc", "count": "NA", "must": "1"}) == {"code": "abc", "must": 1}
    assert convert({"code": "abc", "count": "", "must": "2"}) == {"code": "abc", "must": 2}
    for missing in ("NA", "-", ""):
        with pytest.raises(DataError, match="must: is required"):
            convert({"code": "abc", "count": "1", "must": missing})


def test_errors_name_the_field_each_time() -> None:
    convert = _converter(b"code,count,must\n")
    for _ in range(2):
        with pytest.raises(DataError, match="count: must be an integer within signed 64 bits, not 'x'"):
            convert({"code": "abc", "count": "x", "must": "1"})
    with pytest.raises(DataError, match="code: has 4 characters; at most 3"):
        convert({"code": "abcd", "count": "1", "must": "1"})


def test_more_texts_than_are_remembered_are_converted_too() -> None:
    convert = _converter(b"code,count,must\n")
    assert [convert({"code": "a", "must": str(number)})["must"] for number in range(25_000)] == list(range(25_000))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"code,must,colour\n", "t.csv:1: the object type 'things' has no field 'colour'"),
        (b"must\n", "t.csv:1: the key column 'code' is missing"),
        (b"code,count\n", "t.csv:1: the required column 'must' is missing"),
    ],
)
def test_columns_must_fit_the_object_type(header: bytes, reason: str) -> None:
    with pytest.raises(SourceError) as refused:
        _converter(header)
    assert str(refused.value) == reason


def test_json_rows_are_checked_as_they_are() -> None:
    convert = row_converter(THING, JsonLinesSource("t.jsonl", 0, io.BytesIO), ("NA",))
    assert convert({"code": "NA", "must": 1}) == {"code": "NA", "must": 1}
    with pytest.raises(DataError, match="count: must be an integer"):
        convert({"code": "abc", "must": 1, "count": "1"})
