"""Does a record's data fit its object type?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from syncline.data.errors import DataError
from syncline.data.limits import INTEGER_MAX, INTEGER_MIN
from syncline.data.numbers import EXACT_BELOW
from syncline.data.schema import Field, FieldType, ObjectType

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def check_record(object_type: ObjectType, data: Mapping[str, Any]) -> None:
    """Check names, types and lengths of a record's fields. A field that is null counts as absent.

    Raises:
        DataError: the first field, in the record's order, that breaks a rule, or a required field that is absent.
    """
    fields = {field.name: field for field in object_type.fields}
    for name, value in data.items():
        field = fields.get(name)
        if field is None:
            raise DataError(name, f"the object type {object_type.name!r} has no such field")
        if value is not None:
            check_value(field, value)
    for field in object_type.fields:
        if field.required and data.get(field.name) is None:
            raise DataError(field.name, "is required")


def check_value(field: Field, value: object) -> None:
    """Check a value, other than null, of one field.

    Raises:
        DataError: it is not of the field's type, or too long.
    """
    if not _FITS[field.type](value):
        raise DataError(field.name, f"must be {TYPE_RULES[field.type]}, not {value!r:.60}")
    if field.max_length and isinstance(value, str) and len(value) > field.max_length:
        raise DataError(field.name, f"has {len(value):,} characters; at most {field.max_length:,} are taken")


def is_integer(value: object) -> bool:
    """Is it a whole number within signed 64 bits? 5.0 is: in canonical data it is 5."""
    if type(value) is int:
        return INTEGER_MIN <= value <= INTEGER_MAX
    return type(value) is float and value.is_integer() and -EXACT_BELOW < value < EXACT_BELOW


def is_date(text: str) -> bool:
    """Is it a day of the calendar, written YYYY-MM-DD?"""
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_timestamp(text: str) -> bool:
    """Is it a moment by RFC 3339, with `T` and a zone (`Z` or an offset)? Leap seconds are not taken."""
    if not _TIMESTAMP.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_decimal(text: str) -> bool:
    """Is it a plain decimal number, such as `-12.50`: no plus, no leading zeros, no exponent?"""
    return _DECIMAL.fullmatch(text) is not None


TYPE_RULES: Final[Mapping[FieldType, str]] = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "an integer within signed 64 bits",
    FieldType.NUMBER: "a number",
    FieldType.DECIMAL: 'a decimal number as text, such as "12.50"',
    FieldType.BOOLEAN: "true or false",
    FieldType.DATE: "a date as text, YYYY-MM-DD",
    FieldType.TIMESTAMP: "a moment as text by RFC 3339, such as 2013-01-31T05:00:00Z",
    FieldType.JSON: "a JSON value",
}
"""What a value of each type must be, to finish a sentence of an error."""


_FITS: Final[Mapping[FieldType, Callable[[object], bool]]] = {
    FieldType.STRING: lambda value: isinstance(value, str),
    FieldType.INTEGER: is_integer,
    FieldType.NUMBER: lambda value: type(value) is int or type(value) is float,
    FieldType.DECIMAL: lambda value: isinstance(value, str) and is_decimal(value),
    FieldType.BOOLEAN: lambda value: isinstance(value, bool),
    FieldType.DATE: lambda value: isinstance(value, str) and is_date(value),
    FieldType.TIMESTAMP: lambda value: isinstance(value, str) and is_timestamp(value),
    # Whether it is JSON at all, canonical data says.
    FieldType.JSON: lambda _value: True,
}
