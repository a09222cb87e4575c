"""Record keys: the text by which a record is found within its object type.

A primary key of one string field: that field's value. Otherwise: the canonical JSON array of the key fields in the
order of the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from syncline.data.canonical import canonical_array
from syncline.data.errors import DataError
from syncline.data.fields import is_integer
from syncline.data.limits import KEY_LENGTH_MAX
from syncline.data.schema import FieldType, ObjectType
from syncline.data.text import check_text

KEY_FIELD_TYPES: Final[Mapping[FieldType, type]] = {
    FieldType.STRING: str,
    FieldType.INTEGER: int,
    FieldType.DECIMAL: str,
    FieldType.BOOLEAN: bool,
    FieldType.DATE: str,
    FieldType.TIMESTAMP: str,
}
"""What a key may be made of, and how JSON holds it. Doubles and nested values are no good names for a record."""


class KeyRule:
    """How the keys of one object type are made; prepared once, used for each record."""

    def __init__(self, object_type: ObjectType) -> None:
        self._name = object_type.name
        types = {field.name: field.type for field in object_type.fields}
        self._fields = [(name, KEY_FIELD_TYPES[types[name]]) for name in object_type.primary_key]
        self._one_string = len(self._fields) == 1 and types[object_type.primary_key[0]] is FieldType.STRING

    def key_of(self, data: Mapping[str, Any]) -> str:
        """The key of this record.

        Raises:
            DataError: the object type has no primary key, a key field is missing or of another type than the
                schema says, or the key is empty or longer than KEY_LENGTH_MAX.
        """
        if not self._fields:
            raise DataError("", f"the object type {self._name!r} has no primary key to make a key from")
        if self._one_string:
            key = data.get(self._fields[0][0])
            if type(key) is str and key.isascii() and 0 < len(key) <= KEY_LENGTH_MAX and "\0" not in key:
                return key  # nearly every record; the others have to be looked at closely
        values: list[str | int] = []
        for name, kind in self._fields:
            value = data.get(name)
            if value is None:
                raise DataError(name, "is a key field and must be there")
            if not (is_integer(value) if kind is int else type(value) is kind):
                raise DataError(name, f"is a key field and must be {_NAMES[kind]}, not {value!r:.40}")
            values.append(int(value) if kind is int else value)
        key = str(values[0]) if self._one_string else canonical_array(values)
        check_key(key, self._fields[0][0] if len(self._fields) == 1 else "")
        return key


def record_key(object_type: ObjectType, data: Mapping[str, Any]) -> str:
    """The key of one record; for many of the same object type prepare a `KeyRule`.

    Raises:
        DataError: as `KeyRule.key_of`.
    """
    return KeyRule(object_type).key_of(data)


def check_key(key: str, path: str = "key") -> None:
    """Refuse what cannot be a record's key.

    Raises:
        DataError: it is empty, longer than KEY_LENGTH_MAX characters, or holds NUL or a lone surrogate.
    """
    if not key:
        raise DataError(path, "a record's key must not be empty")
    if len(key) > KEY_LENGTH_MAX:
        raise DataError(path, f"a record's key has {len(key):,} characters; at most {KEY_LENGTH_MAX:,} are taken")
    check_text(key, path)


_NAMES: Final = {str: "text", int: "an integer", bool: "true or false"}
