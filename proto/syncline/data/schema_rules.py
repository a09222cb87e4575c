"""Is a schema well formed?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from syncline.data.errors import DataError
from syncline.data.keys import KEY_FIELD_TYPES
from syncline.data.limits import (
    FIELD_NAME_LENGTH_MAX,
    FIELDS_MAX,
    KEY_FIELDS_MAX,
    OBJECT_TYPE_NAME_LENGTH_MAX,
    OBJECT_TYPES_MAX,
    RECORD_BYTES_MAX,
    RELATIONSHIP_NAME_LENGTH_MAX,
    RELATIONSHIPS_MAX,
    RESOLVER_NAME_LENGTH_MAX,
    SCOPE_NAME_LENGTH_MAX,
)
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Relationship, Schema

_TYPE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_RESERVED: Final = ("syncline", "sqlite")
_LIMITED_TYPES: Final = frozenset({FieldType.STRING, FieldType.DECIMAL})


def check_schema(schema: Schema) -> None:
    """Check names, keys and relationships of all object types.

    Names that differ only in case count as equal, because they become names of tables and columns in SQLite.

    Raises:
        DataError: the first thing that breaks a rule; `path` is such as `flights.fields.tailnum`.
    """
    _check_count(schema.object_types, OBJECT_TYPES_MAX, "", "object types")
    _check_distinct((kind.name for kind in schema.object_types), "", "object type")
    for kind in schema.object_types:
        check_object_type(kind)
    for kind in schema.object_types:
        for relationship in kind.relationships:
            _check_parent(schema, kind, relationship)


def check_object_type(kind: ObjectType) -> None:
    """Check all of an object type that can be judged without the others.

    Raises:
        DataError: the first thing that breaks a rule.
    """
    _check_type_name(kind)
    _check_name(kind.scope, f"scopes.{kind.scope}", SCOPE_NAME_LENGTH_MAX)
    _check_resolver(kind)
    if not kind.fields:
        raise DataError(f"{kind.name}.fields", "must name at least one field")
    _check_count(kind.fields, FIELDS_MAX, f"{kind.name}.fields", "fields")
    _check_distinct((field.name for field in kind.fields), f"{kind.name}.fields", "field")
    for field in kind.fields:
        _check_field(field, f"{kind.name}.fields.{field.name}")
    _check_key_fields(kind)
    _check_count(kind.relationships, RELATIONSHIPS_MAX, f"{kind.name}.relationships", "relationships")
    _check_distinct((each.name for each in kind.relationships), f"{kind.name}.relationships", "relationship")
    for relationship in kind.relationships:
        path = f"{kind.name}.relationships.{relationship.name}"
        _check_name(relationship.name, path, RELATIONSHIP_NAME_LENGTH_MAX)
        _check_fields_exist(kind, relationship.fields, f"{path}.fields")


def _check_type_name(kind: ObjectType) -> None:
    """Its local name, with or without the scope's in front: then the scope must be a name of the same kind."""
    name, local = kind.name, kind.local_name
    for part in (local,) if local == name else (kind.scope, local):
        if not _TYPE_NAME.fullmatch(part):
            rule = "the name of an object type is a letter, then letters, digits and _"
            raise DataError(name, f"{rule}; before it may stand its scope and a dot" if "." in name else rule)
        if part.lower().startswith(_RESERVED):
            raise DataError(name, f"names that start with {' or '.join(_RESERVED)} are reserved")
    if len(name) > OBJECT_TYPE_NAME_LENGTH_MAX:
        raise DataError(name, f"the name of an object type has at most {OBJECT_TYPE_NAME_LENGTH_MAX} characters")


def _check_resolver(kind: ObjectType) -> None:
    path = f"{kind.name}.resolver"
    if kind.conflict_policy is ConflictPolicy.RESOLVER:
        _check_name(kind.resolver, path, RESOLVER_NAME_LENGTH_MAX)
    elif kind.resolver:
        raise DataError(path, f"has no meaning with the conflict policy {kind.conflict_policy.value}")


def _check_field(field: Field, path: str) -> None:
    _check_name(field.name, path, FIELD_NAME_LENGTH_MAX)
    if field.name.startswith("_") or field.name.lower().startswith("syncline"):
        raise DataError(path, "names that start with _ or syncline are reserved")
    if not 0 <= field.max_length <= RECORD_BYTES_MAX:
        raise DataError(f"{path}.max_length", f"must be from 0 (no limit) to {RECORD_BYTES_MAX:,}")
    if field.max_length and field.type not in _LIMITED_TYPES:
        raise DataError(f"{path}.max_length", f"has no meaning for a field of type {field.type.value}")


def _check_key_fields(kind: ObjectType) -> None:
    path = f"{kind.name}.key"
    _check_count(kind.primary_key, KEY_FIELDS_MAX, path, "key fields")
    _check_fields_exist(kind, kind.primary_key, path)
    for field in kind.fields:
        if field.name not in kind.primary_key:
            continue
        if not field.required:
            raise DataError(f"{kind.name}.fields.{field.name}", "is in the primary key and must be required")
        if field.type not in KEY_FIELD_TYPES:
            raise DataError(
                f"{kind.name}.fields.{field.name}", f"a field of type {field.type.value} cannot be in a primary key"
            )


def _check_fields_exist(kind: ObjectType, names: tuple[str, ...], path: str) -> None:
    known = {field.name for field in kind.fields}
    for index, name in enumerate(names):
        if name not in known:
            raise DataError(f"{path}[{index}]", f"{kind.name} has no field {name!r}")
        if name in names[:index]:
            raise DataError(f"{path}[{index}]", f"the field {name!r} stands twice")


def _check_parent(schema: Schema, kind: ObjectType, relationship: Relationship) -> None:
    path = f"{kind.name}.relationships.{relationship.name}"
    parent = schema.object_type(relationship.parent)
    if parent is None:
        raise DataError(f"{path}.parent", f"there is no object type {relationship.parent!r}")
    if parent.scope != kind.scope:
        raise DataError(
            f"{path}.parent", f"{parent.name} is in the scope {parent.scope!r}; it must be in {kind.scope!r}, too"
        )
    if not parent.primary_key:
        raise DataError(f"{path}.parent", f"{parent.name} has no primary key to refer to")
    if len(relationship.fields) != len(parent.primary_key):
        raise DataError(
            f"{path}.fields", f"must name one field for each of {parent.name}'s key: {', '.join(parent.primary_key)}"
        )
    own = {field.name: field.type for field in kind.fields}
    theirs = {field.name: field.type for field in parent.fields}
    for index, (mine, other) in enumerate(zip(relationship.fields, parent.primary_key, strict=True)):
        if own[mine] is not theirs[other]:
            raise DataError(
                f"{path}.fields[{index}]",
                f"{mine} is of type {own[mine].value}, but {parent.name}.{other} of type {theirs[other].value}",
            )


def _check_name(name: str, path: str, length_max: int) -> None:
    """Names appear in JSON paths and column names, so what needs escaping there is not taken."""
    if not 1 <= len(name) <= length_max:
        raise DataError(path, f"a name has 1 to {length_max} characters")
    if _UNPRINTABLE.search(name) or '"' in name or "\\" in name:
        raise DataError(
            path.encode(errors="backslashreplace").decode(),
            'a name must not contain control characters, `"` or `\\`',
        )


def _check_count(items: tuple[object, ...], limit: int, path: str, what: str) -> None:
    if len(items) > limit:
        raise DataError(path, f"there are {len(items):,} {what}; at most {limit:,} are taken")


def _check_distinct(names: Iterable[str], path: str, what: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(name.lower())
        if other is not None:
            clash = "stands twice" if other == name else f"differs from {other!r} only in case"
            raise DataError(f"{path}.{name}" if path else name, f"the {what} {clash}")
        seen[name.lower()] = name
