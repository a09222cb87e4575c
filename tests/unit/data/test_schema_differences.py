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


def test_object_types_come_but_do_not_go() -> None:
    both = Schema(0, (KIND, replace(KIND, name="other")))
    assert differences(OLD, both) == [SchemaDifference("other", "a new object type in the scope 'main'", True)]
    assert differences(both, OLD) == [SchemaDifference("other", "the object type is removed", False)]


def test_the_description_says_what_changes() -> None:
    new = replace(KIND, fields=(*KIND.fields[:2], Field("dest", FieldType.INTEGER, True)))
    (difference,) = _differences(new)
    assert difference.description == "type changes from string to integer; required changes from false to true"
