"""A schema as a plain document, in the shape of the schema file; stores keep it as JSON.

```yaml
scopes:
  flights:                              # a scope: its object types by name
    airlines:
      key: [carrier]                    # the primary key; its fields are required unless they say otherwise
      fields:                           # by name: a type, or a type and rules
        carrier: {type: string, max_length: 2}
        name: string
    flights:
      key: [time_hour, carrier, flight]
      conflict_policy: merge_fields     # the default; with `resolver`, `resolver:` names the server's resolver
      read_only: false                  # the default; true: devices may not change its records
      merge_unsent_updates: false       # the default; true: devices merge updates that they have not sent yet
      fields: {time_hour: timestamp, carrier: string, flight: integer, tailnum: string}
      relationships:                    # by name
        airline: {fields: [carrier], parent: airlines, required: false, on_delete: restrict}
```

Reading checks the shape only; whether the schema makes sense, `syncline.data.schema_rules.check_schema` says. Paths in
errors are those of schema differences: `flights.fields.tailnum`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from syncline.data.errors import DataError
from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema

Document = dict[str, Any]

_Choice = TypeVar("_Choice", bound=Enum)

_TYPE_FLAGS: Final = ("read_only", "merge_unsent_updates")
_TYPE_PARTS: Final = ("key", "conflict_policy", "fields", "relationships", "resolver", *_TYPE_FLAGS)


def to_document(schema: Schema) -> Document:
    """The schema as a document, without its version. Object types come grouped by scope; fields keep their order."""
    scopes: dict[str, Document] = {}
    for kind in schema.object_types:
        scopes.setdefault(kind.scope, {})[kind.name] = object_type_to_document(kind)
    return {"scopes": scopes}


def from_document(document: object, *, version: int = 0) -> Schema:
    """Read a document back.

    Raises:
        DataError: it has another shape; `path` says where.
    """
    top = _mapping(document, "", known=("scopes",))
    kinds: list[ObjectType] = []
    for scope, types in _mapping(top.get("scopes", {}), "scopes").items():
        for name, kind in _mapping(types, f"scopes.{scope}").items():
            if any(other.name == name for other in kinds):
                raise DataError(name, "stands in two scopes; an object type is in exactly one")
            kinds.append(object_type_from_document(name, scope, kind))
    return Schema(version, tuple(kinds))


def object_type_to_document(kind: ObjectType) -> Document:
    """One object type as a document, without its name and scope. What is the default is left out."""
    document: Document = {}
    if kind.primary_key:
        document["key"] = list(kind.primary_key)
    if kind.conflict_policy is not ConflictPolicy.MERGE_FIELDS:
        document["conflict_policy"] = kind.conflict_policy.value
    if kind.resolver:
        document["resolver"] = kind.resolver
    for name in _TYPE_FLAGS:
        if getattr(kind, name):
            document[name] = True
    document["fields"] = {
        field.name: _field_to_document(field, field.name in kind.primary_key) for field in kind.fields
    }
    if kind.relationships:
        document["relationships"] = {rel.name: _relationship_to_document(rel) for rel in kind.relationships}
    return document


def object_type_from_document(name: str, scope: str, document: object) -> ObjectType:
    """Read one object type back.

    Raises:
        DataError: it has another shape; `path` says where.
    """
    parts = _mapping(document, name, known=_TYPE_PARTS)
    key = _names(parts.get("key", []), f"{name}.key")
    fields = _mapping(parts.get("fields"), f"{name}.fields")
    relationships = _mapping(parts.get("relationships", {}), f"{name}.relationships")
    resolver = parts.get("resolver", "")
    if not isinstance(resolver, str):
        raise DataError(f"{name}.resolver", "must name a resolver of the server")
    return ObjectType(
        name=name,
        scope=scope,
        fields=tuple(_field(each, fields[each], f"{name}.fields.{each}", each in key) for each in fields),
        primary_key=key,
        relationships=tuple(
            _relationship(each, relationships[each], f"{name}.relationships.{each}") for each in relationships
        ),
        conflict_policy=_choice(parts, "conflict_policy", name, ConflictPolicy, ConflictPolicy.MERGE_FIELDS),
        resolver=resolver,
        **{flag: _flag(parts, flag, name, default=False) for flag in _TYPE_FLAGS},
    )


def _field_to_document(field: Field, in_key: bool) -> str | Document:
    rules: Document = {}
    if field.required != in_key:
        rules["required"] = field.required
    if field.max_length:
        rules["max_length"] = field.max_length
    return {"type": field.type.value, **rules} if rules else field.type.value


def _relationship_to_document(relationship: Relationship) -> Document:
    document: Document = {"fields": list(relationship.fields), "parent": relationship.parent}
    if relationship.required:
        document["required"] = True
    if relationship.on_delete is not DeleteRule.RESTRICT:
        document["on_delete"] = relationship.on_delete.value
    return document


def _field(name: str, document: object, path: str, in_key: bool) -> Field:
    if isinstance(document, str):
        document = {"type": document}
    parts = _mapping(document, path, known=("type", "required", "max_length"))
    max_length = parts.get("max_length", 0)
    if type(max_length) is not int:
        raise DataError(f"{path}.max_length", f"must be an integer, not {max_length!r}")
    return Field(
        name=name,
        type=_choice(parts, "type", path, FieldType),
        required=_flag(parts, "required", path, default=in_key),
        max_length=max_length,
    )


def _relationship(name: str, document: object, path: str) -> Relationship:
    parts = _mapping(document, path, known=("fields", "parent", "required", "on_delete"))
    parent = parts.get("parent")
    if not isinstance(parent, str):
        raise DataError(f"{path}.parent", "must name an object type")
    return Relationship(
        name=name,
        fields=_names(parts.get("fields"), f"{path}.fields"),
        parent=parent,
        required=_flag(parts, "required", path, default=False),
        on_delete=_choice(parts, "on_delete", path, DeleteRule, DeleteRule.RESTRICT),
    )


def _mapping(document: object, path: str, *, known: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """The mapping at this path, with no other names than the known ones, if there are any."""
    if not isinstance(document, Mapping):
        raise DataError(path, "must be a mapping of names")
    for name in document:
        if not isinstance(name, str):
            raise DataError(path, f"the name {name!r} must be text")
        if known and name not in known:
            raise DataError(f"{path}.{name}" if path else name, f"is not known here; there are {', '.join(known)}")
    return document


def _names(document: object, path: str) -> tuple[str, ...]:
    if not isinstance(document, list) or not all(isinstance(name, str) for name in document):
        raise DataError(path, "must be a list of names")
    return tuple(document)


def _flag(parts: Mapping[str, Any], name: str, path: str, *, default: bool) -> bool:
    value = parts.get(name, default)
    if not isinstance(value, bool):
        raise DataError(f"{path}.{name}", f"must be true or false, not {value!r}")
    return value


def _choice(
    parts: Mapping[str, Any], name: str, path: str, choices: type[_Choice], default: _Choice | None = None
) -> _Choice:
    if name not in parts and default is not None:
        return default
    try:
        return choices(parts.get(name))
    except ValueError:
        known = ", ".join(choice.value for choice in choices)
        raise DataError(f"{path}.{name}", f"must be one of {known}, not {parts.get(name)!r}") from None
