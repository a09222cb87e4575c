"""From the rows of a source to the data of an object type's records."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from syncline.data.errors import DataError
from syncline.data.fields import TYPE_RULES, check_record, check_value
from syncline.data.limits import INTEGER_MAX, INTEGER_MIN
from syncline.data.parsing import parse_value
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.server.importing.errors import SourceError
from syncline.server.importing.sources import Source

Converter = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Makes a record's data of a row's values, without nulls, or raises DataError."""

INTEGER_TEXT_LENGTH_MAX: Final = 24
"""More digits than any 64-bit integer has, even with some leading zeros."""
_REMEMBERED_MAX: Final = 10_000
"""Distinct texts that are remembered for each column."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS: Final = {"true": True, "false": False}


def row_converter(object_type: ObjectType, source: Source, nulls: Collection[str]) -> Converter:
    """The converter for rows of this source.

    In a text source an empty cell is absent, and so is each of the texts `nulls`.

    Raises:
        SourceError: the source has a column that the object type lacks, or lacks one that is required.
    """
    columns = source.columns()
    if columns is None:
        return _JsonRows(object_type).convert
    _check_columns(object_type, source, columns)
    return _TextRows(object_type, columns, frozenset(nulls)).convert


def unknown_columns(object_type: ObjectType, columns: tuple[str, ...]) -> list[str]:
    """The columns that are no field of the object type."""
    known = {field.name for field in object_type.fields}
    return [column for column in columns if column not in known]


def missing_columns(object_type: ObjectType, columns: tuple[str, ...]) -> list[str]:
    """The required fields that are no column, each with what it is, such as `key column 'id'`."""
    return [
        f"{'key' if field.name in object_type.primary_key else 'required'} column {field.name!r}"
        for field in object_type.fields
        if field.required and field.name not in columns
    ]


def _check_columns(object_type: ObjectType, source: Source, columns: tuple[str, ...]) -> None:
    for column in unknown_columns(object_type, columns):
        raise SourceError(source.name, f"the object type {object_type.name!r} has no field {column!r}", line=1)
    for missing in missing_columns(object_type, columns):
        raise SourceError(source.name, f"the {missing} is missing", line=1)


class _JsonRows:
    def __init__(self, object_type: ObjectType) -> None:
        self._object_type = object_type

    def convert(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        check_record(self._object_type, values)
        return _without_nulls(values) if None in values.values() else values


class _TextRows:
    def __init__(self, object_type: ObjectType, columns: tuple[str, ...], nulls: frozenset[str]) -> None:
        fields = {field.name: field for field in object_type.fields}
        self._columns = {name: _Column(fields[name], nulls) for name in columns}
        # Texts that mean themselves are taken as they are, unless one of the row's means "absent".
        self._converted = [(name, column) for name, column in self._columns.items() if not _is_any_text(fields[name])]
        self._absent = nulls | {""}

    def convert(self, values: Mapping[str, str]) -> Mapping[str, Any]:
        if self._absent.isdisjoint(values.values()):
            data: dict[str, Any] = dict(values)
            for name, column in self._converted:
                if name in data:
                    data[name] = column[data[name]]
            return data
        columns = self._columns
        return _without_nulls({name: columns[name][text] for name, text in values.items()})


def _without_nulls(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _is_any_text(field: Field) -> bool:
    return field.type is FieldType.STRING and not field.max_length


class _Column(dict[str, Any]):
    """What the texts of one column mean. Most texts come again and again: they are converted and checked once."""

    def __init__(self, field: Field, nulls: frozenset[str]) -> None:
        self._field = field
        self._nulls = nulls

    def __missing__(self, text: str) -> Any:
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        value = self[text] = self._convert(text)
        return value

    def _convert(self, text: str) -> Any:
        if not text or text in self._nulls:
            if self._field.required:
                raise DataError(self._field.name, "is required")
            return None
        return cell_value(self._field, text)


def cell_value(field: Field, text: str) -> Any:
    """The value of this field that a cell's text means.

    Raises:
        DataError: it means none, or one that does not fit the field.
    """
    try:
        value = _value(field.type, text)
    except ValueError as error:
        raise DataError(field.name, f"must be {TYPE_RULES[field.type]}, not {text!r:.60}") from error
    check_value(field, value)
    return value


def _value(kind: FieldType, text: str) -> Any:
    match kind:
        case FieldType.INTEGER:
            return _integer(text)
        case FieldType.NUMBER:
            return _number(text)
        case FieldType.BOOLEAN:
            return _boolean(text)
        case FieldType.JSON:
            return parse_value(text.encode())
        case _:
            return text


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) and len(text) <= INTEGER_TEXT_LENGTH_MAX:
        value = int(text)
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return value
    raise ValueError(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
