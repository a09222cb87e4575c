"""Is a schema well formed?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.data.errors import DataError
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Relationship, Schema
from syncline.data.schema_rules import check_schema

CODE = Field("code", FieldType.STRING, required=True, max_length=3)
PARENT = ObjectType("parents", "main", (CODE, Field("name", FieldType.STRING)), ("code",))
CHILD = ObjectType(
    "children",
    "main",
    (Field("id", FieldType.INTEGER, required=True), Field("parent_code", FieldType.STRING)),
    ("id",),
    (Relationship("parent", ("parent_code",), "parents"),),
)


def _parent(*fields: Field, **changes: object) -> Schema:
    return Schema(object_types=(replace(PARENT, fields=(CODE, *fields), **changes),))  # type: ignore[arg-type]


def _related(**changes: object) -> Schema:
    relationship = replace(CHILD.relationships[0], **changes)  # type: ignore[arg-type]
    return Schema(object_types=(PARENT, replace(CHILD, relationships=(relationship,))))


def test_a_schema_that_makes_sense_is_taken() -> None:
    check_schema(Schema())
    check_schema(Schema(object_types=(CHILD, PARENT)))
    check_schema(_parent(Field("naïve name with blanks.", FieldType.JSON)))
    check_schema(_parent(primary_key=()))
    check_schema(_parent(conflict_policy=ConflictPolicy.RESOLVER, resolver="keep both"))


def test_two_scopes_may_each_have_a_type_of_one_name() -> None:
    check_schema(Schema(object_types=(replace(PARENT, name="main.parents"), CHILD, PARENT)))
    here, there = (replace(PARENT, name=f"{scope}.parents", scope=scope) for scope in ("here", "there"))
    child = replace(
        CHILD,
        name="here.children",
        scope="here",
        relationships=(replace(CHILD.relationships[0], parent="here.parents"),),
    )
    check_schema(Schema(object_types=(here, there, child)))


@pytest.mark.parametrize(
    ("schema", "path", "rule"),
    [
        (_parent(name=""), "", "a letter"),
        (_parent(name="9lives"), "9lives", "a letter"),
        (_parent(name="per-son"), "per-son", "a letter"),
        (_parent(name="x" * 61), "x" * 61, "at most 60"),
        (_parent(name="Syncline_things"), "Syncline_things", "reserved"),
        (_parent(name="sqlite_things"), "sqlite_things", "reserved"),
        (_parent(name="other.parents"), "other.parents", "its scope and a dot"),
        (_parent(name="main."), "main.", "a letter"),
        (_parent(name="main.a.b"), "main.a.b", "a letter"),
        (_parent(name="a b.parents", scope="a b"), "a b.parents", "a letter"),
        (_parent(name="a.b.parents", scope="a.b"), "a.b.parents", "a letter"),
        (_parent(name="main." + "x" * 56), "main." + "x" * 56, "at most 60"),
        (_parent(name="main.sqlite_things"), "main.sqlite_things", "reserved"),
        (_parent(name="synclines.parents", scope="synclines"), "synclines.parents", "reserved"),
        (_parent(resolver="keep_both"), "parents.resolver", "no meaning with the conflict policy merge_fields"),
        (_parent(conflict_policy=ConflictPolicy.RESOLVER), "parents.resolver", "1 to 100"),
        (_parent(conflict_policy=ConflictPolicy.RESOLVER, resolver="x" * 101), "parents.resolver", "1 to 100"),
        (_parent(scope=""), "scopes.", "1 to 100"),
        (_parent(scope="a\nb"), "scopes.a\nb", "control characters"),
        (Schema(object_types=(replace(PARENT, fields=(), primary_key=()),)), "parents.fields", "at least one"),
        (_parent(Field("", FieldType.STRING)), "parents.fields.", "1 to 100"),
        (_parent(Field("x" * 101, FieldType.STRING)), "parents.fields." + "x" * 101, "1 to 100"),
        (_parent(Field("_x", FieldType.STRING)), "parents.fields._x", "reserved"),
        (_parent(Field("synclineX", FieldType.STRING)), "parents.fields.synclineX", "reserved"),
        (_parent(Field('a"b', FieldType.STRING)), 'parents.fields.a"b', "must not contain"),
        (_parent(Field("a\0b", FieldType.STRING)), "parents.fields.a\0b", "must not contain"),
        (_parent(Field("a\ud800", FieldType.STRING)), "parents.fields.a\\ud800", "must not contain"),
        (_parent(Field("code", FieldType.STRING)), "parents.fields.code", "stands twice"),
        (_parent(Field("Code", FieldType.STRING)), "parents.fields.Code", "only in case"),
        (_parent(Field("a", FieldType.STRING, max_length=-1)), "parents.fields.a.max_length", "from 0"),
        (_parent(Field("a", FieldType.INTEGER, max_length=5)), "parents.fields.a.max_length", "no meaning"),
        (_parent(primary_key=("other",)), "parents.key[0]", "no field 'other'"),
        (_parent(primary_key=("code", "code")), "parents.key[1]", "stands twice"),
        (_parent(Field("a", FieldType.STRING), primary_key=("a",)), "parents.fields.a", "must be required"),
        (_parent(Field("a", FieldType.NUMBER, True), primary_key=("a",)), "parents.fields.a", "type number cannot"),
        (_parent(Field("a", FieldType.JSON, True), primary_key=("a",)), "parents.fields.a", "type json cannot"),
        (_parent(*(Field(f"f{n}", FieldType.STRING) for n in range(500))), "parents.fields", "at most 500"),
        (Schema(object_types=(PARENT, PARENT)), "parents", "stands twice"),
        (Schema(object_types=(PARENT, replace(PARENT, name="PARENTS"))), "PARENTS", "only in case"),
        (_related(parent="nobody"), "children.relationships.parent.parent", "no object type 'nobody'"),
        (_related(fields=()), "children.relationships.parent.fields", "one field for each"),
        (_related(fields=("parent_code", "id")), "children.relationships.parent.fields", "one field for each"),
        (_related(fields=("nothing",)), "children.relationships.parent.fields[0]", "no field 'nothing'"),
        (_related(fields=("id",)), "children.relationships.parent.fields[0]", "id is of type integer"),
        (
            Schema(object_types=(replace(PARENT, scope="other"), CHILD)),
            "children.relationships.parent.parent",
            "in the scope 'other'",
        ),
        (
            Schema(object_types=(replace(PARENT, primary_key=()), CHILD)),
            "children.relationships.parent.parent",
            "no primary key",
        ),
    ],
)
def test_what_breaks_a_rule_is_named(schema: Schema, path: str, rule: str) -> None:
    with pytest.raises(DataError, match=rule) as refused:
        check_schema(schema)
    assert refused.value.path == path
