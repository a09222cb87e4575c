"""A schema that takes in what a connected system was found to have, as far as that does nobody any harm.

New object types and new fields are added, and a field of whole numbers comes to take any number. Everything else that
was declared stays: rows that do not fit it become details of their sync request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from syncline.data.errors import DataError
from syncline.data.limits import FIELDS_MAX, OBJECT_TYPES_MAX
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.data.schema_rules import check_object_type


def widen(schema: Schema, discovered: Iterable[ObjectType]) -> Schema:
    """The schema with these object types taken in; the same one if there is nothing to take in.

    `apply_schema` refuses nothing of it. What would break a rule of schemas is left out: an object type or a field
    that has no proper name, or differs from another one only in case.
    """
    kinds = {kind.name: kind for kind in schema.object_types}
    lower_names = {name.lower() for name in kinds}
    every = tuple(discovered)
    for found in every:
        kind = _added(found)
        if found.name.lower() not in lower_names and len(kinds) < OBJECT_TYPES_MAX and _is_proper(kind):
            kinds[found.name] = kind
            lower_names.add(found.name.lower())
    for found in every:
        if found.name in kinds:
            kinds[found.name] = _widened(kinds[found.name], found)
    object_types = tuple(kinds.values())
    return schema if object_types == schema.object_types else replace(schema, object_types=object_types)


def _is_proper(kind: ObjectType) -> bool:
    """Does it keep to all the rules that concern it alone?"""
    try:
        check_object_type(kind)
    except DataError:
        return False
    return True


def _takes_field(kind: ObjectType, field: Field) -> bool:
    """Can the object type have this field, besides those that it has?"""
    if len(kind.fields) >= FIELDS_MAX or field.name.lower() in {each.name.lower() for each in kind.fields}:
        return False
    return _is_proper(ObjectType(kind.name, kind.scope, (field,)))


def _added(found: ObjectType) -> ObjectType:
    """The object type as it comes into the schema: nothing is required of its records but a key."""
    kind = ObjectType(found.name, found.scope, (), found.primary_key)
    for field in found.fields:
        new = replace(field, required=field.name in found.primary_key)
        if _takes_field(kind, new):
            kind = replace(kind, fields=(*kind.fields, new))
    return kind


def _widened(known: ObjectType, found: ObjectType) -> ObjectType:
    by_name = {field.name: field for field in found.fields}
    # The types of keys, and of what refers to them, hold records together.
    fixed = {*known.primary_key, *(name for each in known.relationships for name in each.fields)}
    fields = tuple(
        _wider_field(field, by_name[field.name], is_fixed=field.name in fixed) if field.name in by_name else field
        for field in known.fields
    )
    kind = known if fields == known.fields else replace(known, fields=fields)
    for field in found.fields:
        new = replace(field, required=False)
        if _takes_field(kind, new):
            kind = replace(kind, fields=(*kind.fields, new))
    return kind


def _wider_field(known: Field, found: Field, *, is_fixed: bool) -> Field:
    """The field with what more it is to take. A length that was not found says nothing about one that was declared."""
    if known.type is FieldType.INTEGER and found.type is FieldType.NUMBER and not is_fixed:
        return replace(known, type=FieldType.NUMBER)
    if known.type is found.type and 0 < known.max_length < found.max_length:
        return replace(known, max_length=found.max_length)
    return known
