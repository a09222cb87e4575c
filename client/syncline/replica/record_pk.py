"""The ways in which an app names a record: by its key, or by the values of its primary key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncline.data.errors import DataError
from syncline.data.keys import KEY_FIELD_TYPES, check_key, record_key
from syncline.data.schema import FieldType, ObjectType
from syncline.replica.errors import ValidationFailed

PrimaryKey = str | int | bool | Sequence[Any] | Mapping[str, Any]
"""A record's key; or the value of its one key field; or of several, in the schema's order or by name."""


def key_of_pk(kind: ObjectType, pk: PrimaryKey) -> str:
    """The record key that is meant.

    A text is a key as it stands, but for a type whose one key field holds text that is not a key by itself, such as
    a date: there it may be either, and none can be taken for the other, since keys of such types begin with `[`.

    Raises:
        ValidationFailed: it cannot name a record of this type.
    """
    try:
        return _key(kind, pk)
    except DataError as error:
        raise ValidationFailed(kind.name, "", error.path, error.rule) from error


def _key(kind: ObjectType, pk: PrimaryKey) -> str:
    if isinstance(pk, str) and not (_is_other_text(kind) and not pk.startswith("[")):
        check_key(pk)
        return pk
    if not kind.primary_key:
        raise DataError("key", f"{kind.name} has no primary key: a record is named by its key, which is text")
    if isinstance(pk, Mapping):
        return record_key(kind, pk)
    values = pk if isinstance(pk, list | tuple) else (pk,)
    if len(values) != len(kind.primary_key):
        wanted = ", ".join(kind.primary_key)
        raise DataError("key", f"the primary key is {wanted}; {len(values)} values were given")
    return record_key(kind, dict(zip(kind.primary_key, values, strict=True)))


def _is_other_text(kind: ObjectType) -> bool:
    """Is the primary key one field of text that is not of the type STRING?"""
    if len(kind.primary_key) != 1:
        return False
    (type_,) = (field.type for field in kind.fields if field.name == kind.primary_key[0])
    return KEY_FIELD_TYPES[type_] is str and type_ is not FieldType.STRING
