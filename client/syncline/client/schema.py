"""The schema as it comes over the wire, in the classes that both ends share."""

from __future__ import annotations

from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.v1 import schema_pb2

_FIELD_TYPES = {
    schema_pb2.FIELD_TYPE_STRING: FieldType.STRING,
    schema_pb2.FIELD_TYPE_INTEGER: FieldType.INTEGER,
    schema_pb2.FIELD_TYPE_NUMBER: FieldType.NUMBER,
    schema_pb2.FIELD_TYPE_DECIMAL: FieldType.DECIMAL,
    schema_pb2.FIELD_TYPE_BOOLEAN: FieldType.BOOLEAN,
    schema_pb2.FIELD_TYPE_DATE: FieldType.DATE,
    schema_pb2.FIELD_TYPE_TIMESTAMP: FieldType.TIMESTAMP,
    schema_pb2.FIELD_TYPE_JSON: FieldType.JSON,
}

_CONFLICT_POLICIES = {
    schema_pb2.CONFLICT_POLICY_MERGE_FIELDS: ConflictPolicy.MERGE_FIELDS,
    schema_pb2.CONFLICT_POLICY_CLIENT_WINS: ConflictPolicy.CLIENT_WINS,
    schema_pb2.CONFLICT_POLICY_SERVER_WINS: ConflictPolicy.SERVER_WINS,
    schema_pb2.CONFLICT_POLICY_REJECT: ConflictPolicy.REJECT,
    schema_pb2.CONFLICT_POLICY_RESOLVER: ConflictPolicy.RESOLVER,
}

_DELETE_RULES = {
    schema_pb2.DELETE_RULE_RESTRICT: DeleteRule.RESTRICT,
    schema_pb2.DELETE_RULE_CASCADE: DeleteRule.CASCADE,
}


def schema_from_message(message: schema_pb2.Schema) -> Schema:
    """The schema. What a newer server says and this version does not know reads as the widest or the default."""
    return Schema(message.version, tuple(object_type_from_message(kind) for kind in message.object_types))


def object_type_from_message(message: schema_pb2.ObjectType) -> ObjectType:
    """One object type, likewise."""
    return ObjectType(
        name=message.name,
        scope=message.scope,
        fields=tuple(_field(field) for field in message.fields),
        primary_key=tuple(message.primary_key),
        relationships=tuple(_relationship(relationship) for relationship in message.relationships),
        conflict_policy=_CONFLICT_POLICIES.get(message.conflict_policy, ConflictPolicy.MERGE_FIELDS),
        resolver=message.resolver,
        read_only=message.read_only,
        merge_unsent_updates=message.merge_unsent_updates,
    )


def _field(message: schema_pb2.Field) -> Field:
    return Field(
        name=message.name,
        type=_FIELD_TYPES.get(message.type, FieldType.JSON),
        required=message.required,
        max_length=message.max_length,
    )


def _relationship(message: schema_pb2.Relationship) -> Relationship:
    return Relationship(
        name=message.name,
        fields=tuple(message.fields),
        parent=message.parent,
        required=message.required,
        on_delete=_DELETE_RULES.get(message.on_delete, DeleteRule.RESTRICT),
    )
