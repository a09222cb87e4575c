"""Filters and orders of lists: what was asked for, parsed, and free of any database.

A comparison with an absent value is not true, and neither is its negation; only IS_NULL tells. Texts compare by code
point. CONTAINS, STARTS_WITH and ENDS_WITH take the letters A to Z and a to z for the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""Characters that no store can keep, so that nothing can be compared with them."""

Value = str | int | bool
"""Times are integers: microseconds since the Unix epoch."""


class FieldKind(Enum):
    """What a field that lists are filtered by holds."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TIME = "time"


class Operator(Enum):
    """How a field is compared with its values."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    BETWEEN = "between"
    """Two values, both included."""
    IN = "in"
    """Any number of values, at least one."""
    IS_NULL = "is null"
    """No value."""
    CONTAINS = "contains"
    STARTS_WITH = "startswith"
    ENDS_WITH = "endswith"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared."""

    field: str
    operator: Operator
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Junction:
    """Several filters of which all, or any, must hold."""

    needs_all: bool
    parts: tuple[Filter, ...]


Filter = Comparison | Junction


@dataclass(frozen=True, slots=True)
class Order:
    """One field to order by; absent values come first, in descending order last."""

    field: str
    descending: bool = False
