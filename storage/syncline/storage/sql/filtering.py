"""Filters and orders of lists as SQL: see `syncline.storage.filters` for what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, and_, false, func, literal, not_, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from syncline.storage.errors import InvalidValue
from syncline.storage.filters import Comparison, Filter, Operator, Order, Value
from syncline.storage.limits import check_text

Columns = Mapping[str, Column[Any]]
"""The columns that may be asked for, by the names of their fields."""

_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
"""What `lower` does on SQLite, and on Postgres by the columns' collation."""


class _PlaceOf(FunctionElement[int]):
    """Where the second text stands in the first one, from 1; 0: nowhere."""

    name = "place_of"
    inherit_cache = True
    type = BigInteger()


@compiles(_PlaceOf, "sqlite")
def _place_on_sqlite(element: _PlaceOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_PlaceOf, "postgresql")
def _place_on_postgres(element: _PlaceOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


def condition(columns: Columns, wanted: Filter) -> ColumnElement[bool]:
    """The rows for which the filter is true. Names are looked up in `columns` only; values are parameters."""
    if isinstance(wanted, Comparison):
        return _comparison(columns, wanted)
    parts = [condition(columns, part) for part in wanted.parts]
    return and_(true(), *parts) if wanted.needs_all else or_(false(), *parts)


def ordering(columns: Columns, order: Sequence[Order]) -> list[ColumnElement[Any]]:
    """What to order by. Absent values come first, in descending order last."""
    terms: list[ColumnElement[Any]] = []
    for wanted in order:
        column = _column(columns, wanted.field)
        term = column.desc() if wanted.descending else column.asc()
        if column.nullable:  # said only where it matters: else it might keep Postgres from using an index
            term = term.nulls_last() if wanted.descending else term.nulls_first()
        terms.append(term)
    return terms


def beyond(columns: Columns, order: Sequence[Order], values: Sequence[Value | None]) -> ColumnElement[bool]:
    """The rows that come after the one with these values, in this order."""
    if len(values) != len(order):
        raise InvalidValue("after", f"must have {len(order)} values")
    steps: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for wanted, value in zip(order, values, strict=True):
        column = _column(columns, wanted.field)
        steps.append(and_(*equal, _after(column, value, descending=wanted.descending)))
        equal.append(column.is_(None) if value is None else column == _value(column, value))
    first, value = order[0], values[0]
    column = _column(columns, first.field)
    if column.nullable or value is None:
        return or_(*steps)
    # Says nothing new, but a database takes it for the bound of a range, which it does not find in the steps.
    bound = column <= _value(column, value) if first.descending else column >= _value(column, value)
    return and_(bound, or_(*steps))


def _after(column: Column[Any], value: Value | None, *, descending: bool) -> ColumnElement[bool]:
    if value is None:
        return false() if descending else column.is_not(None)
    if not descending:
        return column > _value(column, value)
    less = column < _value(column, value)
    return or_(less, column.is_(None)) if column.nullable else less


def _comparison(columns: Columns, wanted: Comparison) -> ColumnElement[bool]:
    column = _column(columns, wanted.field)
    holds = _OPERATORS[wanted.operator](column, [_value(column, value) for value in wanted.values])
    return not_(holds) if wanted.negated else holds


def _column(columns: Columns, field: str) -> Column[Any]:
    if field not in columns:
        raise InvalidValue("field", "lists cannot be filtered or ordered by it")
    return columns[field]


def _value(column: Column[Any], value: Value) -> ColumnElement[Any]:
    if isinstance(value, str):
        check_text("value", value)
    return literal(value, column.type)


def _starts(column: Column[Any], text: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.substr(func.lower(column), 1, func.length(text)) == _lower(text)


def _ends(column: Column[Any], text: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.substr(func.lower(column), func.length(column) - func.length(text) + 1) == _lower(text)


def _contains(column: Column[Any], text: ColumnElement[Any]) -> ColumnElement[bool]:
    return _PlaceOf(func.lower(column), _lower(text)) > 0


def _lower(text: ColumnElement[Any]) -> ColumnElement[Any]:
    value: str = text.value
    return literal(value.translate(_LOWER), text.type)


_Test = Callable[[Column[Any], list[ColumnElement[Any]]], ColumnElement[bool]]
# Not by LIKE, to which % and _ mean something else.
_OPERATORS: Mapping[Operator, _Test] = {
    Operator.EQUAL: lambda column, values: column == values[0],
    Operator.NOT_EQUAL: lambda column, values: column != values[0],
    Operator.LESS: lambda column, values: column < values[0],
    Operator.LESS_EQUAL: lambda column, values: column <= values[0],
    Operator.GREATER: lambda column, values: column > values[0],
    Operator.GREATER_EQUAL: lambda column, values: column >= values[0],
    Operator.BETWEEN: lambda column, values: and_(column >= values[0], column <= values[1]),
    Operator.IN: lambda column, values: column.in_(values),
    Operator.IS_NULL: lambda column, _values: column.is_(None),
    Operator.CONTAINS: lambda column, values: _contains(column, values[0]),
    Operator.STARTS_WITH: lambda column, values: _starts(column, values[0]),
    Operator.ENDS_WITH: lambda column, values: _ends(column, values[0]),
}
