"""A schema may only grow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.data.schema_differences import SchemaDifference, differences

KIND = ObjectType(
    "flights",
    "main",
    (
        Field("id", FieldType.INTEGER, required=True),
        Field("tailnum", FieldType.STRING),
        Field("dest", FieldType.STRING),
    ),
    ("id",),
    (Relationship("plane", ("tailnum",), "planes"),),
)
OLD = Schema(3, (KIND,))


def _differences(new: ObjectType) -> list[SchemaDifference]:
    return differences(OLD, Schema(0, (new,)))


def test_the_same_schema_in_another_order_does_not_differ() -> None:
    other = replace(KIND, name="other")
    turned = replace(KIND, fields=KIND.fields[::-1])
    assert differences(Schema(1, (KIND, other)), Schema(9, (other, turned))) == []


@pytest.mark.parametrize(
    ("new", "path", "allowed"),
    [
        (replace(KIND, fields=(*KIND.fields, Field("new", FieldType.STRING))), "flights.fields.new", True),
        (replace(KIND, fields=(*KIND.fields, Field("new", FieldType.STRING, True))), "flights.fields.new", False),
        (replace(KIND, fields=KIND.fields[:2]), "flights.fields.dest", False),
        (replace(KIND, fields=(*KIND.fields[:2], Field("dest", FieldType.JSON))), "flights.fields.dest", False),
        (replace(KIND, fields=(*KIND.fields[:2], Field("dest", FieldType.STRING, True))), "flights.fields.dest", False),
        (
            replace(KIND, fields=(*KIND.fields[:2], Field("dest", FieldType.STRING, max_length=3))),
            "flights.fields.dest",
            False,
        ),
        (replace(KIND, primary_key=("id", "dest")), "flights.key", False),
        (replace(KIND, scope="other"), "flights", False),
        (replace(KIND, conflict_policy=ConflictPolicy.REJECT), "flights.conflict_policy", True),
        (replace(KIND, resolver="keep_both"), "flights.resolver", True),
        (replace(KIND, read_only=True), "flights.read_only", True),
        (replace(KIND, merge_unsent_updates=True), "flights.merge_unsent_updates", True),
        (replace(KIND, relationships=()), "flights.relationships.plane", False),
        (
            replace(KIND, relationships=(*KIND.relationships, Relationship("airport", ("dest",), "airports"))),
            "flights.relationships.airport",
            True,
        ),
        (
            replace(KIND, relationships=(*KIND.relationships, Relationship("airport", ("dest",), "airports", True))),
            "flights.relationships.airport",
            False,
        ),
        (
            replace(KIND, relationships=(Relationship("plane", ("tailnum",), "planes", on_delete=DeleteRule.CASCADE),)),
            "flights.relationships.plane",
            False,
        ),
    ],
)
def test_each_difference_is_named_and_judged(new: ObjectType, path: str, allowed: bool) -> None:
    assert [(one.path, one.allowed) for one in _differences(new)] == [(path, allowed)]


_WIDER = [
    (FieldType.INTEGER, FieldType.NUMBER),
    (FieldType.DECIMAL, FieldType.STRING),
    (FieldType.DATE, FieldType.STRING),
    (FieldType.TIMESTAMP, FieldType.STRING),
]


@pytest.mark.parametrize("was", FieldType)
@pytest.mark.parametrize("becomes", FieldType)
def test_a_type_changes_only_where_every_value_stays_as_it_is(was: FieldType, becomes: FieldType) -> None:
    def with_type(kind: FieldType, key: tuple[str, ...]) -> Schema:
        return Schema(1, (ObjectType("notes", "main", (Field("size", kind, bool(key)),), key),))

    found = [one.allowed for one in differences(with_type(was, ()), with_type(becomes, ()))]
    assert found == ([] if was is becomes else [(was, becomes) in _WIDER])
    in_key = [one.allowed for one in differences(with_type(was, ("size",)), with_type(becomes, ("size",)))]
    assert in_key == ([] if was is becomes else [False]), "records would get other keys"


@pytest.mark.parametrize(
    ("was", "becomes", "allowed"),
    [
        (Field("t", FieldType.STRING, max_length=3), Field("t", FieldType.STRING, max_length=4), True),
        (Field("t", FieldType.STRING, max_length=3), Field("t", FieldType.STRING), True),
        (Field("t", FieldType.STRING, max_length=3), Field("t", FieldType.STRING, max_length=2), False),
        (Field("t", FieldType.STRING, True), Field("t", FieldType.STRING), True),
        (Field("t", FieldType.DECIMAL, max_length=9), Field("t", FieldType.STRING, max_length=8), False),
        (Field("t", FieldType.DATE, True), Field("t", FieldType.STRING), True),
        (Field("t", FieldType.DATE), Field("t", FieldType.STRING, True), False),
    ],
    ids=["longer", "no limit", "shorter", "optional", "shorter text", "optional text", "required text"],
)
def test_a_field_may_come_to_take_more(was: Field, becomes: Field, allowed: bool) -> None:
    old, new = (Schema(1, (ObjectType("notes", "main", (field,)),)) for field in (was, becomes))
    assert [one.allowed for one in differences(old, new)] == [allowed]


def test_object_types_come_but_do_not_go() -> None:
    both = Schema(0, (KIND, replace(KIND, name="other")))
    assert differences(OLD, both) == [SchemaDifference("other", "a new object type in the scope 'main'", True)]
    assert differences(both, OLD) == [SchemaDifference("other", "the object type is removed", False)]


def test_the_description_says_what_changes() -> None:
    new = replace(KIND, fields=(*KIND.fields[:2], Field("dest", FieldType.INTEGER, True)))
    (difference,) = _differences(new)
    assert difference.description == "type changes from string to integer; required changes from false to true"
