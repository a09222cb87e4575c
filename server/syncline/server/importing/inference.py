"""What object type do rows have, when nobody declared one?

A field gets the narrowest type that all of its values have: boolean, date, timestamp, integer, else number, else string
(JSON rows: else json). Text that would not come back as it was, such as `007` or a number of twenty digits, makes a
string. Only key fields are required: that a column has no gap in one file says nothing about the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from typing import Any, Final

from syncline.data.fields import is_date, is_timestamp
from syncline.data.limits import INTEGER_MAX, INTEGER_MIN
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.importing.errors import BadLine, SourceError
from syncline.server.importing.progress import PROGRESS_ROWS, Phase, Progress
from syncline.server.importing.sources import Source

_REMEMBERED_MAX: Final = 10_000
_EXACT_DIGITS_MAX: Final = 17
"""A decimal number with more significant digits does not fit a double."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BOOLEANS: Final = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"})
_NUMERIC: Final = frozenset({FieldType.INTEGER, FieldType.NUMBER})
_TEXTUAL: Final = frozenset({FieldType.STRING, FieldType.DATE, FieldType.TIMESTAMP})


def infer_object_type(
    name: str,
    scope: str,
    key: tuple[str, ...],
    sources: Iterable[Source],
    *,
    nulls: Collection[str],
    progress: Progress,
) -> ObjectType:
    """The object type that the rows of all these sources fit. Bad lines are passed over; importing reports them.

    Raises:
        SourceError: a source cannot be read, or its columns lack one of the key.
    """
    guesses: dict[str, _Guess] = {}
    for source in sources:
        columns = source.columns()
        for column in key:
            if columns is not None and column not in columns:
                raise SourceError(source.name, f"the key column {column!r} is missing", line=1)
        for column in columns or ():
            guesses.setdefault(column, _Guess(nulls))
        _read(source, guesses, columns is not None, nulls, progress)
    for column in key:
        guesses.setdefault(column, _Guess(nulls))
    fields = tuple(Field(column, guess.type_for(column in key), column in key) for column, guess in guesses.items())
    return ObjectType(name=name, scope=scope, fields=fields, primary_key=key)


def _read(
    source: Source, guesses: dict[str, _Guess], is_text: bool, nulls: Collection[str], progress: Progress
) -> None:
    rows = 0
    for row in source.read():
        if isinstance(row, BadLine):
            continue
        rows += 1
        if rows % PROGRESS_ROWS == 0:
            progress(Phase.INFERRING, source.bytes_read, source.size_bytes, rows)
        if is_text:
            for column, text in row.values.items():
                guesses[column][text]
            continue
        for column, value in row.values.items():
            if column not in guesses:
                guesses[column] = _Guess(nulls)
            if value is not None:
                guesses[column].widen(_json_type(value), FieldType.JSON)


class _Guess(dict[str, None]):
    """The type of one column so far. As a mapping it remembers the texts that were looked at already."""

    def __init__(self, nulls: Collection[str]) -> None:
        self._nulls = nulls
        self._type: FieldType | None = None

    def __missing__(self, text: str) -> None:
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        self[text] = None
        if text and text not in self._nulls:
            self.widen(_text_type(text), FieldType.STRING)

    def widen(self, seen: FieldType, fallback: FieldType) -> None:
        """Take a further value's type into account; `fallback` holds what nothing narrower does."""
        both = {self._type or seen, seen}
        if len(both) == 1:
            self._type = seen
        elif both <= _NUMERIC:
            self._type = FieldType.NUMBER
        elif both <= _TEXTUAL:
            self._type = FieldType.STRING
        else:
            self._type = FieldType.JSON if FieldType.JSON in both else fallback

    def type_for(self, in_key: bool) -> FieldType:
        """The type found; string if there was no value, or for a key field that is a double."""
        found = self._type or FieldType.STRING
        return FieldType.STRING if in_key and found is FieldType.NUMBER else found


def _text_type(text: str) -> FieldType:
    if _NUMBER.fullmatch(text):
        return _number_type(text)
    if text in _BOOLEANS:
        return FieldType.BOOLEAN
    if is_date(text):
        return FieldType.DATE
    return FieldType.TIMESTAMP if is_timestamp(text) else FieldType.STRING


def _number_type(text: str) -> FieldType:
    if _INTEGER.fullmatch(text):
        fits = len(text) <= len(str(INTEGER_MIN)) and INTEGER_MIN <= int(text) <= INTEGER_MAX
        return FieldType.INTEGER if fits else FieldType.STRING
    digits = re.sub(r"[eE].*|[-.]", "", text).strip("0")
    fits = len(digits) <= _EXACT_DIGITS_MAX and math.isfinite(float(text))
    return FieldType.NUMBER if fits else FieldType.STRING


def _json_type(value: Any) -> FieldType:
    match value:
        case bool():
            return FieldType.BOOLEAN
        case int():
            return FieldType.INTEGER
        case float():
            return FieldType.NUMBER
        case str():
            if is_date(value):
                return FieldType.DATE
            return FieldType.TIMESTAMP if is_timestamp(value) else FieldType.STRING
        case _:
            return FieldType.JSON
