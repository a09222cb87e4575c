"""Record keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncline.data.errors import DataError
from syncline.data.keys import check_key, record_key
from syncline.data.limits import KEY_LENGTH_MAX
from syncline.data.schema import Field, FieldType, ObjectType
from tests.unit.data import naive_json
from tests.unit.data.values import INTEGERS, TEXTS


def _type(*fields: Field, key: tuple[str, ...]) -> ObjectType:
    return ObjectType("things", "main", fields, key)


STRING = _type(Field("code", FieldType.STRING, required=True), key=("code",))
INTEGER = _type(Field("number", FieldType.INTEGER, required=True), key=("number",))
DAY = _type(Field("day", FieldType.DATE, required=True), key=("day",))
THREE = _type(
    Field("flight", FieldType.INTEGER, required=True),
    Field("carrier", FieldType.STRING, required=True),
    Field("late", FieldType.BOOLEAN, required=True),
    key=("carrier", "flight", "late"),
)


@given(TEXTS)
def test_one_string_field_is_the_key_itself(code: str) -> None:
    assume(code)
    assert record_key(STRING, {"code": code, "other": 1}) == code


@given(TEXTS, INTEGERS, st.booleans())
def test_several_fields_make_the_canonical_array_in_the_order_of_the_key(code: str, flight: int, late: bool) -> None:
    key = record_key(THREE, {"flight": flight, "late": late, "carrier": code})
    assert key == naive_json.write([code, flight, late])
    assert naive_json.read(key) == [code, flight, late]


@given(*[st.tuples(TEXTS, INTEGERS, st.booleans())] * 2)
def test_different_fields_make_different_keys(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    keys = [record_key(THREE, dict(zip(THREE.primary_key, values, strict=True))) for values in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_one_field_of_another_type_makes_an_array() -> None:
    assert record_key(INTEGER, {"number": 7}) == "[7]"
    assert record_key(INTEGER, {"number": 7.0}) == "[7]"
    assert record_key(DAY, {"day": "2013-01-31"}) == '["2013-01-31"]'


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (STRING, {}, "code"),
        (STRING, {"code": None}, "code"),
        (STRING, {"code": 5}, "code"),
        (STRING, {"code": ""}, "code"),
        (STRING, {"code": "x" * (KEY_LENGTH_MAX + 1)}, "code"),
        (STRING, {"code": "a\0"}, "code"),
        (STRING, {"code": "\ud800"}, "code"),
        (INTEGER, {"number": "7"}, "number"),
        (INTEGER, {"number": True}, "number"),
        (INTEGER, {"number": 2**63}, "number"),
        (THREE, {"carrier": "UA", "flight": 1}, "late"),
        (THREE, {"carrier": "x" * KEY_LENGTH_MAX, "flight": 1, "late": True}, ""),
        (_type(Field("a", FieldType.STRING), key=()), {"a": "b"}, ""),
    ],
)
def test_a_missing_or_ill_typed_key_field_is_refused(kind: ObjectType, data: dict[str, Any], path: str) -> None:
    with pytest.raises(DataError) as refused:
        record_key(kind, data)
    assert refused.value.path == path


def test_the_longest_key_is_taken() -> None:
    check_key("x" * KEY_LENGTH_MAX)
    assert len(record_key(STRING, {"code": "é" * KEY_LENGTH_MAX})) == KEY_LENGTH_MAX
