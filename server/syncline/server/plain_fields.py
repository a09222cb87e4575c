"""Which values need no close look: they fit their field, and orjson spells them as canonical data does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from syncline.data.fields import is_date, is_decimal, is_timestamp
from syncline.data.limits import INTEGER_MAX
from syncline.data.numbers import EXACT_BELOW
from syncline.data.schema import Field, FieldType, ObjectType

PlainRule: TypeAlias = tuple[type | None, Callable[[Any], bool] | None]
"""The type of a value, and what else it has to be; None: anything."""


def plain_rules(kind: ObjectType) -> dict[str, PlainRule]:
    """By the fields of an object type, when a value fits and orjson spells it canonically.

    They are the quick way, which nearly every record takes: of a value that they refuse nothing is known.
    """
    return {field.name: _plain_rule(field) for field in kind.fields}


def _plain_rule(field: Field) -> PlainRule:
    kind, check = _PLAIN[field.type]
    most = field.max_length
    if not most:
        return kind, check
    if check is None:
        return kind, lambda value: len(value) <= most
    return kind, lambda value: len(value) <= most and check(value)


def _is_plain_number(value: Any) -> bool:
    if type(value) is float:
        return _SHORT_ABOVE <= abs(value) < EXACT_BELOW and not value.is_integer()
    return type(value) is int and value <= INTEGER_MAX


_SHORT_ABOVE: Final = 1e-4
"""From here up to 2^53, orjson spells a double that is not whole as canonical data does."""

_PLAIN: Final[Mapping[FieldType, PlainRule]] = {
    FieldType.STRING: (str, None),
    FieldType.INTEGER: (int, lambda value: value <= INTEGER_MAX),
    FieldType.NUMBER: (None, _is_plain_number),
    FieldType.DECIMAL: (str, is_decimal),
    FieldType.BOOLEAN: (bool, None),
    FieldType.DATE: (str, is_date),
    FieldType.TIMESTAMP: (str, is_timestamp),
    FieldType.JSON: (str, None),
}
