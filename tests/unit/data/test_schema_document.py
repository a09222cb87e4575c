"""A schema as a document, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.data.errors import DataError
from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.data.schema_document import (
    from_document,
    object_type_from_document,
    object_type_to_document,
    to_document,
)

NAMES = st.sampled_from(["a", "b", "no", "1", "été", "x.y"])
FIELDS = st.builds(Field, NAMES, st.sampled_from(FieldType), st.booleans(), st.integers(0, 5))
RELATIONSHIPS = st.builds(
    Relationship, NAMES, st.lists(NAMES).map(tuple), NAMES, st.booleans(), st.sampled_from(DeleteRule)
)


@st.composite
def _object_types(draw: st.DrawFn, name: str = "things", scope: str = "main") -> ObjectType:
    return ObjectType(
        name,
        scope,
        tuple(draw(st.lists(FIELDS, unique_by=lambda field: field.name))),
        tuple(draw(st.lists(NAMES))),
        tuple(draw(st.lists(RELATIONSHIPS, unique_by=lambda relationship: relationship.name))),
        draw(st.sampled_from(ConflictPolicy)),
        draw(NAMES | st.just("")),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@given(_object_types())
def test_an_object_type_comes_back_from_json_as_it_was(kind: ObjectType) -> None:
    document = json.loads(json.dumps(object_type_to_document(kind)))
    assert object_type_from_document(kind.name, kind.scope, document) == kind


@given(_object_types("one", "first"), _object_types("two", "second"), _object_types("three", "first"))
def test_a_schema_comes_back_grouped_by_scope(one: ObjectType, two: ObjectType, three: ObjectType) -> None:
    document = json.loads(json.dumps(to_document(Schema(7, (one, two, three)))))
    assert from_document(document, version=7) == Schema(7, (one, three, two))


def test_what_is_the_default_need_not_be_written() -> None:
    kind = object_type_from_document("things", "main", {"key": ["id"], "fields": {"id": "integer", "name": "string"}})
    assert kind == ObjectType(
        "things", "main", (Field("id", FieldType.INTEGER, required=True), Field("name", FieldType.STRING)), ("id",)
    )


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({"scope": {}}, "scope"),
        ({"scopes": []}, "scopes"),
        ({"scopes": {1: {}}}, "scopes"),
        ({"scopes": {"s": None}}, "scopes.s"),
        ({"scopes": {"s": {"t": "string"}}}, "t"),
        ({"scopes": {"s": {"t": {}}}}, "t.fields"),
        ({"scopes": {"s": {"t": {"fields": {}, "keys": []}}}}, "t.keys"),
        ({"scopes": {"s": {"t": {"fields": {}, "key": "id"}}}}, "t.key"),
        ({"scopes": {"s": {"t": {"fields": {}, "key": [1]}}}}, "t.key"),
        ({"scopes": {"s": {"t": {"fields": {}, "conflict_policy": "maybe"}}}}, "t.conflict_policy"),
        ({"scopes": {"s": {"t": {"fields": {}, "resolver": 1}}}}, "t.resolver"),
        ({"scopes": {"s": {"t": {"fields": {}, "read_only": "yes"}}}}, "t.read_only"),
        ({"scopes": {"s": {"s.t": {"fields": {}, "merge_unsent_updates": 1}}}}, "s.t.merge_unsent_updates"),
        ({"scopes": {"s": {"t": {"fields": {"a": "text"}}}}}, "t.fields.a.type"),
        ({"scopes": {"s": {"t": {"fields": {"a": None}}}}}, "t.fields.a"),
        ({"scopes": {"s": {"t": {"fields": {"a": {"required": True}}}}}}, "t.fields.a.type"),
        ({"scopes": {"s": {"t": {"fields": {"a": {"type": ["string"]}}}}}}, "t.fields.a.type"),
        ({"scopes": {"s": {"t": {"fields": {"a": {"type": "string", "required": 1}}}}}}, "t.fields.a.required"),
        ({"scopes": {"s": {"t": {"fields": {"a": {"type": "string", "max_length": True}}}}}}, "t.fields.a.max_length"),
        ({"scopes": {"s": {"t": {"fields": {"a": {"type": "string", "max": 1}}}}}}, "t.fields.a.max"),
        ({"scopes": {"s": {"t": {"fields": {}, "relationships": []}}}}, "t.relationships"),
        ({"scopes": {"s": {"t": {"fields": {}, "relationships": {"r": {}}}}}}, "t.relationships.r.parent"),
        (
            {"scopes": {"s": {"t": {"fields": {}, "relationships": {"r": {"parent": "p"}}}}}},
            "t.relationships.r.fields",
        ),
        ({"scopes": {"s": {"t": {"fields": {}}}, "u": {"t": {"fields": {}}}}}, "t"),
    ],
)
def test_another_shape_is_refused_where_it_is(document: Any, path: str) -> None:
    with pytest.raises(DataError) as refused:
        from_document(document)
    assert refused.value.path == path
