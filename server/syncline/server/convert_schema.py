"""Schemas as messages, and back."""

from __future__ import annotations

from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.server.violations import Violations
from syncline.v1 import schema_pb2

# The enums of the contract and of `syncline.data` have the same members; a test holds them to it.
_FIELD_TYPES = {schema_pb2.FieldType.Value(f"FIELD_TYPE_{member.name}"): member for member in FieldType}
_POLICIES = {schema_pb2.ConflictPolicy.Value(f"CONFLICT_POLICY_{member.name}"): member for member in ConflictPolicy}
_DELETE_RULES = {schema_pb2.DeleteRule.Value(f"DELETE_RULE_{member.name}"): member for member in DeleteRule}

_FIELD_TYPE_VALUES = {member: value for value, member in _FIELD_TYPES.items()}
POLICY_VALUES = {member: value for value, member in _POLICIES.items()}
_DELETE_RULE_VALUES = {member: value for value, member in _DELETE_RULES.items()}


def schema_message(schema: Schema) -> schema_pb2.Schema:
    """The schema as the contract has it."""
    return schema_pb2.Schema(version=schema.version, object_types=map(object_type_message, schema.object_types))


def schema_from_message(message: schema_pb2.Schema) -> Schema:
    """The schema that the field `schema` of a request declares; its version is not looked at.

    Whether it is well-formed is not checked here, only that each enum has a value that this server knows.

    Raises:
        InvalidRequest: an unknown value, or a field without a type.
    """
    found = Violations()
    for index, kind in enumerate(message.object_types):
        _check_enums(kind, f"schema.object_types[{index}]", found)
    found.raise_if_any()
    return Schema(object_types=tuple(map(_object_type, message.object_types)))


def object_type_message(kind: ObjectType) -> schema_pb2.ObjectType:
    """One object type as the contract has it."""
    return schema_pb2.ObjectType(
        name=kind.name,
        scope=kind.scope,
        fields=map(_field_message, kind.fields),
        primary_key=kind.primary_key,
        relationships=map(_relationship_message, kind.relationships),
        conflict_policy=POLICY_VALUES[kind.conflict_policy],
        resolver=kind.resolver,
        read_only=kind.read_only,
        merge_unsent_updates=kind.merge_unsent_updates,
    )


def _field_message(field: Field) -> schema_pb2.Field:
    return schema_pb2.Field(
        name=field.name, type=_FIELD_TYPE_VALUES[field.type], required=field.required, max_length=field.max_length
    )


def _relationship_message(relationship: Relationship) -> schema_pb2.Relationship:
    return schema_pb2.Relationship(
        name=relationship.name,
        fields=relationship.fields,
        parent=relationship.parent,
        required=relationship.required,
        on_delete=_DELETE_RULE_VALUES[relationship.on_delete],
    )


def _check_enums(kind: schema_pb2.ObjectType, path: str, found: Violations) -> None:
    for index, field in enumerate(kind.fields):
        if field.type not in _FIELD_TYPES:
            found.add(f"{path}.fields[{index}].type", "must be one of the contract's types")
    for index, relationship in enumerate(kind.relationships):
        if relationship.on_delete and relationship.on_delete not in _DELETE_RULES:
            found.add(f"{path}.relationships[{index}].on_delete", "must be one of the contract's rules")
    if kind.conflict_policy and kind.conflict_policy not in _POLICIES:
        found.add(f"{path}.conflict_policy", "must be one of the contract's policies")


def _object_type(kind: schema_pb2.ObjectType) -> ObjectType:
    return ObjectType(
        name=kind.name,
        scope=kind.scope,
        fields=tuple(
            Field(field.name, _FIELD_TYPES[field.type], field.required, field.max_length) for field in kind.fields
        ),
        primary_key=tuple(kind.primary_key),
        relationships=tuple(map(_relationship, kind.relationships)),
        conflict_policy=_POLICIES.get(kind.conflict_policy, ConflictPolicy.MERGE_FIELDS),
        resolver=kind.resolver,
        read_only=kind.read_only,
        merge_unsent_updates=kind.merge_unsent_updates,
    )


def _relationship(relationship: schema_pb2.Relationship) -> Relationship:
    return Relationship(
        name=relationship.name,
        fields=tuple(relationship.fields),
        parent=relationship.parent,
        required=relationship.required,
        on_delete=_DELETE_RULES.get(relationship.on_delete, DeleteRule.RESTRICT),
    )
