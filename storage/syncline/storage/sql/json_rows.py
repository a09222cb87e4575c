"""Many values in one parameter: JSON text that a statement takes apart.

So a statement is the same, and compiled once, however many keys or feeds it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Subquery,
    Text,
    bindparam,
    cast,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Elements(FunctionElement[Any]):
    """The elements of a JSON array, one a row, in the column `value`."""

    name = "elements"
    inherit_cache = True


@compiles(_Elements, "sqlite")
def _elements_on_sqlite(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _elements_on_postgres(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS json))"


class _IsElement(FunctionElement[bool]):
    """Is a column one of the elements of a JSON array? Without SQL type: a BOOLEAN would become `… = 1` on SQLite.

    The third clause is what Postgres calls the column's type.
    """

    name = "is_element"
    inherit_cache = True


@compiles(_IsElement, "sqlite")
def _is_element_on_sqlite(element: _IsElement, compiler: SQLCompiler, **options: Any) -> str:
    column, parameter, _ = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({parameter}))"  # noqa: S608 - no value in it


@compiles(_IsElement, "postgresql")
def _is_element_on_postgres(element: _IsElement, compiler: SQLCompiler, **options: Any) -> str:
    # An array is a condition of the index; a subquery would be a join, for which a planner that has not seen the table
    # yet reads all of the account.
    column, parameter, kind = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST({parameter} AS json)) AS {kind})))"


def one_of_keys(parameter: str, column: Column[str]) -> ColumnElement[bool]:
    """Is a text column one of the texts in `parameter`? With the columns before it given, it is looked up by index."""
    return _among(parameter, column, "text")


def uuids_among(parameter: str, column: Column[UUID]) -> tuple[ColumnElement[bool], ...]:
    """Is a column of UUIDs one of those in the parameters that `uuid_values` makes? Each is looked up by index."""
    return (*uuids_between(parameter, column), _among(parameter, column, "uuid"))


def uuid_values(parameter: str, uuids: Collection[bytes]) -> dict[str, str | UUID]:
    """The parameters' values for `uuids_among`, for one UUID at least."""
    return {parameter: as_json_keys(uuid.hex() for uuid in uuids), **uuid_bounds(parameter, uuids)}


def uuids_between(parameter: str, column: Column[UUID]) -> tuple[ColumnElement[bool], ...]:
    """Is a column of UUIDs within the bounds that `uuid_bounds` makes?"""
    return _between(parameter, column)


def uuid_bounds(parameter: str, uuids: Collection[bytes]) -> dict[str, UUID]:
    """The parameters' values for `uuids_between`, for one UUID at least."""
    return {f"{parameter}_first": UUID(bytes=min(uuids)), f"{parameter}_last": UUID(bytes=max(uuids))}


def _between(parameter: str, column: Column[Any]) -> tuple[ColumnElement[bool], ...]:
    """To databases that know nothing of the table, a range is a better reason to take an index than a list."""
    return (column >= bindparam(f"{parameter}_first"), column <= bindparam(f"{parameter}_last"))


def _among(parameter: str, column: Column[Any], kind: str) -> ColumnElement[bool]:
    return _IsElement(column, bindparam(parameter, type_=Text), literal_column(kind))


def as_json_keys(keys: Iterable[str] | Iterable[int]) -> str:
    """The parameter's value for `one_of_keys`."""
    return json.dumps(list(keys), ensure_ascii=False, separators=(",", ":"))


def json_rows(parameter: str, **columns: type[Text | BigInteger]) -> Subquery:
    """A table of the rows in `parameter`, as `as_json_rows` makes them, with these columns."""
    elements = _Elements(bindparam(parameter, type_=Text)).table_valued("value")
    fields = [
        cast(literal_column(f"value ->> {place}"), kind).label(name)
        for place, (name, kind) in enumerate(columns.items())
    ]
    return select(*fields).select_from(elements).subquery(parameter)


def one_of_rows(parameter: str, *columns: Column[Any]) -> ColumnElement[bool]:
    """Are the columns equal to one of the rows in `parameter`? For tables that hold little of one account."""
    kinds = {column.name: BigInteger if isinstance(column.type, BigInteger) else Text for column in columns}
    return tuple_(*columns).in_(select(json_rows(parameter, **kinds)))


def as_json_rows(rows: Iterable[Sequence[str | int]]) -> str:
    """The parameter's value for `json_rows` and `one_of_rows`."""
    return json.dumps([list(row) for row in rows], ensure_ascii=False, separators=(",", ":"))
