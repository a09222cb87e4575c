"""From the values of a database to those of a record, and back.

A moment without a zone counts as UTC, and all moments become UTC; bytes become base64.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column
from sqlalchemy.types import JSON, LargeBinary, NullType

from syncline.data.canonical import canonical_text
from syncline.data.errors import DataError
from syncline.data.fields import TYPE_RULES
from syncline.data.schema import Field, FieldType
from syncline.server.importing.conversion import cell_value
from syncline.server.requests.connectors.sql.tables import DECLARED

Reader = Callable[[Any], Any]
"""Makes a field's value of one of the database, other than NULL. ValueError, TypeError, ArithmeticError: it is none."""
Writer = Callable[[Any], Any]
"""The other way round."""


def text_of(value: object) -> str:
    """A value as text: the same one for the same value at all times.

    Raises:
        ValueError: there is none.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() | UUID():
            return str(value)
        case Decimal():
            return _decimal(value)
        case datetime():
            return _timestamp(value)
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
    raise ValueError(f"a {type(value).__name__} is no text")


def value_reader(field: Field, column: Column[Any]) -> Reader:
    """The reader of a column's values for this field."""
    convert = _READERS[field.type]
    if field.type is FieldType.STRING:
        return convert
    is_json = isinstance(column.type, JSON)  # then its texts are texts, not JSON yet to be read

    def read(value: Any) -> Any:
        if isinstance(value, str) and not is_json:
            return cell_value(
                field, _timestamp(datetime.fromisoformat(value)) if field.type is FieldType.TIMESTAMP else value
            )
        return convert(value)

    return read


def _string(value: Any) -> str:
    return value if type(value) is str else text_of(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(value)
    return int(value)


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return float(value)
    raise ValueError(value)


def _decimal(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(value)  # noqa: TRY004 - the caller wants one kind of error
    # A double's shortest text is the number that was meant.
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise ValueError(value)
    text = f"{exact:f}"
    return text.removeprefix("-") if not exact else text


def _boolean(value: Any) -> bool:
    if value in (0, 1):  # what databases without booleans have
        return bool(value)
    raise ValueError(value)


def _date(value: Any) -> str:
    if isinstance(value, datetime):
        if value.time() != time():
            raise ValueError(value)
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(value)


def _timestamp(value: Any) -> str:
    if not isinstance(value, datetime):
        if not isinstance(value, date):
            raise ValueError(value)  # noqa: TRY004 - as above
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat()}Z"


def _json(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_json(each) for each in value]
        case Mapping():
            return {name: _json(each) for name, each in value.items()}
    return text_of(value)


_READERS: Final[Mapping[FieldType, Reader]] = {
    FieldType.STRING: _string,
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.DECIMAL: _decimal,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.TIMESTAMP: _timestamp,
    FieldType.JSON: _json,
}


def value_writer(field: Field, column: Column[Any]) -> Writer:
    """The writer of this field's values into the column. What SQLite has no type for, it gets as the record's text."""
    declared = column.info.get(DECLARED, column.type)
    if field.type is FieldType.JSON and not isinstance(column.type, JSON):
        return canonical_text
    if isinstance(declared, LargeBinary) and field.type is FieldType.STRING:
        return lambda value: base64.b64decode(value, validate=True)
    if isinstance(column.type, NullType):
        return _as_it_is
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return _as_it_is
    return _WRITERS.get(kind, _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


_WRITERS: Final[Mapping[type, Writer]] = {
    Decimal: lambda value: Decimal(str(value)),
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    str: text_of,
}


def data_error(field: Field, column: Column[Any], fault: Exception) -> str:
    """Why a value of this column is not taken."""
    rule = fault.rule if isinstance(fault, DataError) else f"must be {TYPE_RULES[field.type]}"
    return f"column {column.name}: {rule}"
