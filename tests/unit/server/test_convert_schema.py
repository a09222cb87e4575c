"""Schemas as messages."""

from __future__ import annotations

from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.server.convert_schema import schema_from_message, schema_message
from syncline.v1 import schema_pb2

EVERYTHING = Schema(
    object_types=(
        ObjectType("parent", "main", (Field("id", FieldType.STRING, required=True),), ("id",)),
        *(
            ObjectType(
                f"child_{policy.value}",
                "main",
                tuple(Field(kind.value, kind, required=True, max_length=3) for kind in FieldType),
                ("string",),
                tuple(
                    Relationship(f"to_{rule.value}", ("string",), "parent", required=True, on_delete=rule)
                    for rule in DeleteRule
                ),
                policy,
                resolver="keep_both",
                read_only=policy is ConflictPolicy.REJECT,
                merge_unsent_updates=policy is ConflictPolicy.CLIENT_WINS,
            )
            for policy in ConflictPolicy
        ),
    )
)


def test_a_schema_comes_back() -> None:
    assert schema_from_message(schema_message(EVERYTHING)) == EVERYTHING


def test_the_version_is_told_and_not_listened_to() -> None:
    message = schema_message(Schema(version=7))

    assert message.version == 7
    assert schema_from_message(message).version == 0


def test_unset_choices_are_the_defaults() -> None:
    kind = schema_pb2.ObjectType(
        name="a", scope="main", relationships=[schema_pb2.Relationship(name="r", parent="a", fields=["x"])]
    )

    (read,) = schema_from_message(schema_pb2.Schema(object_types=[kind])).object_types

    assert read.conflict_policy is ConflictPolicy.MERGE_FIELDS
    assert read.relationships[0].on_delete is DeleteRule.RESTRICT


def test_the_contract_has_the_members_of_the_data_rules() -> None:
    for ours, theirs in (
        (FieldType, schema_pb2.FieldType),
        (ConflictPolicy, schema_pb2.ConflictPolicy),
        (DeleteRule, schema_pb2.DeleteRule),
    ):
        assert len(theirs.keys()) == len(ours) + 1
