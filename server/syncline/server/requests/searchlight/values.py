"""What the values of a filter are, by the field that they are compared with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from lark import Token

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight.times import counted_time, iso_time
from syncline.server.requests.searchlight.tokens import position_of, string_of
from syncline.storage.filters import FieldKind, Operator, Value
from syncline.storage.request_models import REQUEST_FIELDS, Operation
from syncline.storage.request_states import RequestStatus

PARTIAL: Final = frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH})
"""They compare a part of a text."""
_ORDERING: Final = frozenset(
    {Operator.LESS, Operator.LESS_EQUAL, Operator.GREATER, Operator.GREATER_EQUAL, Operator.BETWEEN}
)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_INTEGER_MAX: Final = (1 << 63) - 1
_UUID_FIELDS: Final = frozenset({"request_id", "enrollment_id", "parent_id", "retry_of"})
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "status": tuple(status.value for status in RequestStatus),
    "operation": tuple(operation.value for operation in Operation),
}
"""The values of the fields that have only a few."""
_PREFIXES: Final = {"status": "sync_request_status_", "operation": "sync_operation_"}
"""What their names begin with in the messages."""


def check_operator(field: str, operator: Operator, token: Token) -> None:
    """Raise `FilterInvalid` if the field has no values of the kind that the operator needs."""
    kind = REQUEST_FIELDS[field]
    position = position_of(token)
    if operator in PARTIAL and kind is not FieldKind.TEXT:
        raise FilterInvalid(position, "=, <>, <, >, BETWEEN, IN or IS", f"{token.upper()} needs a field that is text")
    if operator in _ORDERING and kind is FieldKind.BOOLEAN:
        raise FilterInvalid(position, "=, <>, IN or IS", "true and false have no order")


def stored_value(field: str, operator: Operator, value: Sequence[Token], now: int) -> Value:
    """The value as the store has it, of its one token, or of three such as `TODAY - 7`. Or `FilterInvalid`."""
    kind = REQUEST_FIELDS[field]
    found = None if len(value) > 1 and kind is not FieldKind.TIME else _READERS[kind](field, operator, value, now)
    if found is None:
        expected = ", ".join(_WORDS[field]) if field in _WORDS else _EXPECTED[kind]
        shown = " ".join(value)[:40]
        raise FilterInvalid(position_of(value[0]), expected, f"{shown!r} is not {_EXPECTED[kind]}")
    return found


def _text(field: str, operator: Operator, value: Sequence[Token], _: int) -> str | None:
    text = string_of(value[0])
    if field in _WORDS:
        return _word(field, operator, text)
    return _usual_uuid(text) if field in _UUID_FIELDS and operator not in PARTIAL else text


def _word(field: str, operator: Operator, text: str) -> str | None:
    """One of the field's words, or what may be a part of one."""
    word = re.sub(r"[\s-]", "_", text.lower()).removeprefix(_PREFIXES[field])
    return word if operator in PARTIAL or word in _WORDS[field] else None


def _usual_uuid(text: str) -> str:
    """A UUID in the text that stores have; what is none is left alone, and is the id of nothing."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _integer(_field: str, _operator: Operator, value: Sequence[Token], _now: int) -> int | None:
    text = string_of(value[0])
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if abs(number) <= _INTEGER_MAX else None


def _boolean(_field: str, _operator: Operator, value: Sequence[Token], _now: int) -> bool | None:
    return {"true": True, "false": False}.get(string_of(value[0]).lower())


def _time(_field: str, _operator: Operator, value: Sequence[Token], now: int) -> int | None:
    token, *more = value
    if token.type != "DAY":
        return iso_time(string_of(token))
    sign, days = more or ("", "")
    return counted_time(token, sign, days, now)


_READERS: Final[Mapping[FieldKind, Callable[[str, Operator, Sequence[Token], int], Value | None]]] = {
    FieldKind.TEXT: _text,
    FieldKind.INTEGER: _integer,
    FieldKind.BOOLEAN: _boolean,
    FieldKind.TIME: _time,
}
_EXPECTED: Final = {
    FieldKind.TEXT: "a value of this field",
    FieldKind.INTEGER: "a whole number",
    FieldKind.BOOLEAN: "true or false",
    FieldKind.TIME: "a time, such as 2024-12-31, '2024-12-31T23:59:59Z' or TODAY - 7",
}
