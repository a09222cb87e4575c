"""Does a record fit its object type?"""

from __future__ import annotations

from typing import Any

import pytest

from syncline.data.errors import DataError
from syncline.data.fields import check_record
from syncline.data.schema import Field, FieldType, ObjectType

THING = ObjectType(
    "things",
    "main",
    (
        Field("code", FieldType.STRING, required=True, max_length=3),
        Field("count", FieldType.INTEGER),
        Field("size", FieldType.NUMBER),
        Field("price", FieldType.DECIMAL, max_length=8),
        Field("open", FieldType.BOOLEAN),
        Field("day", FieldType.DATE),
        Field("moment", FieldType.TIMESTAMP),
        Field("more", FieldType.JSON),
    ),
    ("code",),
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code", "äöü"),
        ("count", 0),
        ("count", -(2**63)),
        ("count", 5.0),
        ("size", 1),
        ("size", 1.5),
        ("price", "-12.50"),
        ("price", "0.10"),
        ("open", False),
        ("day", "2012-02-29"),
        ("moment", "2013-01-01T05:00:00Z"),
        ("moment", "2013-01-01T05:00:00.123456789+05:30"),
        ("more", {"a": [None]}),
        ("more", "text"),
        ("count", None),
    ],
)
def test_values_that_fit(field: str, value: Any) -> None:
    check_record(THING, {"code": "abc", field: value})


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("code", 1, "must be text"),
        ("code", "abcd", "at most 3"),
        ("count", "1", "must be an integer"),
        ("count", True, "must be an integer"),
        ("count", 1.5, "must be an integer"),
        ("count", 2**63, "must be an integer"),
        ("count", 2.0**53, "must be an integer"),
        ("size", "1", "must be a number"),
        ("size", False, "must be a number"),
        ("price", 12.5, "decimal number as text"),
        ("price", "12,50", "decimal number as text"),
        ("price", "1e5", "decimal number as text"),
        ("price", "+1", "decimal number as text"),
        ("price", "01", "decimal number as text"),
        ("price", "٣", "decimal number as text"),
        ("price", "123456789", "at most 8"),
        ("open", 1, "true or false"),
        ("day", "2013-02-29", "a date"),
        ("day", "2013-1-1", "a date"),
        ("day", "20130101", "a date"),
        ("moment", "2013-01-01 05:00:00Z", "a moment"),
        ("moment", "2013-01-01T05:00:00", "a moment"),
        ("moment", "2013-01-01T25:00:00Z", "a moment"),
        ("moment", "2013-01-01T05:00:00+24:00", "a moment"),
        ("moment", "2013-01-01T05:00:00Z\n", "a moment"),
        ("colour", "red", "no such field"),
    ],
)
def test_values_that_do_not_fit(field: str, value: Any, rule: str) -> None:
    with pytest.raises(DataError, match=rule) as refused:
        check_record(THING, {"code": "abc", field: value})
    assert refused.value.path == field


@pytest.mark.parametrize("data", [{}, {"code": None}, {"count": 1}])
def test_a_required_field_must_be_there(data: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="is required") as refused:
        check_record(THING, data)
    assert refused.value.path == "code"
