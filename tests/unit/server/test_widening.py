"""A schema takes in what was found as far as that does nobody any harm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.data.errors import DataError
from syncline.data.fields import check_record
from syncline.data.schema import Field, FieldType, ObjectType, Relationship, Schema
from syncline.data.schema_differences import differences
from syncline.data.schema_rules import check_schema
from syncline.server.schema.widening import widen

_KEY = Field("id", FieldType.INTEGER, required=True)
_NAMES = ("a", "A", "b", "c", "_hidden", "with\nbreak", "syncline_x")
_TYPE_NAMES = ("notes", "Notes", "lines", "no name", "sqlite_stat")
_VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.STRING: st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    FieldType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    FieldType.NUMBER: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1),
    FieldType.DECIMAL: st.decimals(places=2, min_value=-999, max_value=999).map(str),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.DATE: st.dates().map(lambda day: day.isoformat()),
    FieldType.TIMESTAMP: st.datetimes().map(lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z"),
    FieldType.JSON: st.lists(st.integers(0, 9)),
}


@st.composite
def _fields(draw: st.DrawFn) -> tuple[Field, ...]:
    names = draw(st.lists(st.sampled_from(_NAMES), unique=True, max_size=4))
    fields = []
    for name in names:
        kind = draw(st.sampled_from(FieldType))
        length = draw(st.sampled_from((0, 3, 8))) if kind is FieldType.STRING else 0
        fields.append(Field(name, kind, draw(st.booleans()), length))
    return (_KEY, *fields)


_FOUND = st.lists(
    st.builds(ObjectType, st.sampled_from(_TYPE_NAMES), st.just("main"), _fields(), st.just(("id",))), max_size=4
)


@given(_FOUND, _FOUND)
def test_what_widen_makes_is_a_schema_that_may_be_put_into_force(
    first: list[ObjectType], then: list[ObjectType]
) -> None:
    schema = Schema()
    for found in (first, then):
        wider = widen(schema, found)
        check_schema(wider)
        assert all(one.allowed for one in differences(schema, wider))
        assert widen(wider, found) is wider, "a second time there is nothing to do"
        schema = wider


@given(_FOUND, _FOUND, st.data())
def test_rows_of_what_was_found_fit_but_for_types_that_cannot_follow(
    first: list[ObjectType], then: list[ObjectType], data: st.DataObject
) -> None:
    schema = widen(widen(Schema(), first), then)
    for found in (*first, *then):
        kind = schema.object_type(found.name)
        if kind is None:
            continue
        types = {field.name: field for field in kind.fields}
        for field in found.fields:
            value = data.draw(_VALUES[field.type])
            mine = types.get(field.name)
            if mine is None or (field.max_length and len(value) > field.max_length):
                continue
            if mine.type is field.type and field.max_length and mine.max_length:
                assert mine.max_length >= field.max_length
            follows = mine.type is field.type or {mine.type, field.type} == {FieldType.INTEGER, FieldType.NUMBER}
            if follows and (not mine.max_length or field.max_length):
                check_record(replace(kind, fields=(mine,), primary_key=()), {field.name: value})
        assert [field.name for field in kind.fields if field.required] == ["id"]


def test_what_holds_records_together_keeps_its_type() -> None:
    parent = ObjectType("parents", "main", (_KEY,), ("id",))
    child = ObjectType(
        "children",
        "main",
        (_KEY, Field("parent_id", FieldType.INTEGER), Field("size", FieldType.INTEGER)),
        ("id",),
        (Relationship("parent", ("parent_id",), "parents"),),
    )
    schema = Schema(4, (parent, child))
    all_numbers = tuple(replace(field, type=FieldType.NUMBER) for field in child.fields)
    wider = widen(schema, [replace(child, fields=all_numbers), replace(parent, fields=all_numbers[:1])])
    found = wider.object_type("children")
    assert found is not None
    assert [field.type for field in found.fields] == [FieldType.INTEGER, FieldType.INTEGER, FieldType.NUMBER]
    assert wider.object_type("parents") == parent


def test_what_was_declared_stays() -> None:
    declared = ObjectType(
        "notes",
        "private",
        (_KEY, Field("text", FieldType.STRING, True, 10), Field("day", FieldType.DATE)),
        ("id",),
    )
    found = ObjectType(
        "notes",
        "main",
        (Field("text", FieldType.STRING), Field("day", FieldType.STRING), Field("Day", FieldType.STRING)),
    )
    schema = Schema(1, (declared,))
    assert widen(schema, [found]) is schema
    longer = replace(found, fields=(Field("text", FieldType.STRING, max_length=20),))
    (kind,) = widen(schema, [longer]).object_types
    assert kind.fields[1] == Field("text", FieldType.STRING, True, 20)


def test_a_text_is_no_whole_number_afterwards() -> None:
    kind = ObjectType("notes", "main", (_KEY, Field("size", FieldType.INTEGER)), ("id",))
    texts = replace(kind, fields=(_KEY, Field("size", FieldType.STRING)))
    schema = widen(Schema(1, (kind,)), [texts])
    with pytest.raises(DataError, match="size"):
        check_record(schema.object_types[0], {"id": 1, "size": "many"})
