"""What differs between two schemas, and which of it may be put into force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import Enum
from typing import Final

from syncline.data.schema import Field, FieldType, ObjectType, Relationship, Schema

_WIDER_TYPES: Final = frozenset(
    {
        (FieldType.INTEGER, FieldType.NUMBER),
        (FieldType.DECIMAL, FieldType.STRING),
        (FieldType.DATE, FieldType.STRING),
        (FieldType.TIMESTAMP, FieldType.STRING),
    }
)
"""From and to. Every value of the one is a value of the other, spelled alike in canonical data, so that no record
changes and a device need only name its column anew."""


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One difference."""

    path: str
    """Where, such as `flights.fields.tailnum`."""
    description: str
    """What, in words."""
    allowed: bool
    """May the new schema be put into force as far as this goes?"""


def differences(old: Schema, new: Schema) -> list[SchemaDifference]:
    """Everything in which the schemas differ, versions and the order of definitions aside.

    A change may only add (object types, optional fields, optional relationships), have a field take more than before
    (`is_wider`), or choose how changes of devices are taken: another conflict policy or resolver, read-only or not,
    merged before they are sent or not.
    """
    return list(_schema_differences(old, new))


def is_wider(old: Field, new: Field) -> bool:
    """Does the new field take all that the old one took, and keep what is stored as it is?

    A whole number may become any number; a date, timestamp or decimal any text; a text longer; a required field
    optional. In a primary key or a relationship the types must still fit, which `check_schema` sees to.
    """
    types = old.type is new.type or (old.type, new.type) in _WIDER_TYPES
    lengths = new.max_length == 0 or 0 < old.max_length <= new.max_length
    return old.name == new.name and types and lengths and (old.required or not new.required)


def _schema_differences(old: Schema, new: Schema) -> Iterator[SchemaDifference]:
    kept = {kind.name: kind for kind in new.object_types}
    for kind in old.object_types:
        if kind.name in kept:
            yield from _type_differences(kind, kept[kind.name])
        else:
            yield SchemaDifference(kind.name, "the object type is removed", allowed=False)
    known = {kind.name for kind in old.object_types}
    for kind in new.object_types:
        if kind.name not in known:
            yield SchemaDifference(kind.name, f"a new object type in the scope {kind.scope!r}", allowed=True)


def _type_differences(old: ObjectType, new: ObjectType) -> Iterator[SchemaDifference]:
    name = old.name
    if old.scope != new.scope:
        yield SchemaDifference(name, f"it moves from the scope {old.scope!r} to {new.scope!r}", allowed=False)
    if old.primary_key != new.primary_key:
        was, becomes = (", ".join(kind.primary_key) or "none" for kind in (old, new))
        yield SchemaDifference(f"{name}.key", f"the primary key changes from {was} to {becomes}", allowed=False)
    if old.conflict_policy is not new.conflict_policy:
        change = f"the conflict policy changes from {old.conflict_policy.value} to {new.conflict_policy.value}"
        yield SchemaDifference(f"{name}.conflict_policy", change, allowed=True)
    for rule in ("resolver", "read_only", "merge_unsent_updates"):
        was, becomes = _shown(getattr(old, rule)) or "none", _shown(getattr(new, rule)) or "none"
        if was != becomes:
            yield SchemaDifference(f"{name}.{rule}", f"it changes from {was} to {becomes}", allowed=True)
    in_key = frozenset(old.primary_key)
    yield from _part_differences(f"{name}.fields", "field", old.fields, new.fields, in_key)
    yield from _part_differences(f"{name}.relationships", "relationship", old.relationships, new.relationships)


def _part_differences(
    path: str,
    what: str,
    old: tuple[Field | Relationship, ...],
    new: tuple[Field | Relationship, ...],
    in_key: frozenset[str] = frozenset(),
) -> Iterator[SchemaDifference]:
    kept = {part.name: part for part in new}
    for part in old:
        if part.name not in kept:
            yield SchemaDifference(f"{path}.{part.name}", f"the {what} is removed", allowed=False)
        elif part != kept[part.name]:
            changed = kept[part.name]
            allowed = _may_become(part, changed, in_key=part.name in in_key)
            yield SchemaDifference(f"{path}.{part.name}", _rule_changes(part, changed), allowed=allowed)
    known = {part.name for part in old}
    for part in new:
        if part.name not in known:
            kind = f"a new {what} that is {'required' if part.required else 'optional'}"
            yield SchemaDifference(f"{path}.{part.name}", kind, allowed=not part.required)


def _may_become(old: Field | Relationship, new: Field | Relationship, *, in_key: bool) -> bool:
    if not isinstance(old, Field) or not isinstance(new, Field):
        return False
    # A key of one text is that text, one of another type a JSON array: with another type, records would get other keys.
    return is_wider(old, new) and (old.type is new.type or not in_key)


def _rule_changes(old: Field | Relationship, new: Field | Relationship) -> str:
    """What changes within a field or relationship, such as `type changes from string to integer`."""
    changes = []
    for name in (each.name for each in fields(old)):
        was, becomes = getattr(old, name), getattr(new, name)
        if was != becomes:
            changes.append(f"{name} changes from {_shown(was)} to {_shown(becomes)}")
    return "; ".join(changes)


def _shown(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
