"""The tables as the database itself describes them. All names in statements come from there, never from settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, event
from sqlalchemy.types import NullType

from syncline.data.schema import Field, ObjectType, Schema
from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.connectors.sql.settings import SqlSettings, TableSettings

DECLARED: Final = "declared"
"""Under this name the `info` of a SQLite column has its declared type."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table of the database, and the object type whose records are in it."""

    kind: ObjectType
    table: Table
    key: tuple[Column[Any], ...]
    cursor: Column[Any] | None
    columns: tuple[tuple[Column[Any], Field], ...]
    """Those that are fields of the object type."""

    @property
    def name(self) -> str:
        """The object type."""
        return self.kind.name


def find_tables(connection: Connection, settings: SqlSettings, schema: Schema) -> list[SourceTable]:
    """All tables of the settings, parents before their children.

    Raises:
        ConnectorError: a table or column is missing, or does not fit the account's schema.
    """
    kinds = {}
    for table in settings.tables:
        kind = schema.object_type(table.object_type)
        if kind is None:
            raise ConnectorError(f"the schema has no object type {table.object_type}", for_good=True)
        kinds[kind.name] = kind
    order = _parents_first(kinds.values())
    return [
        _find(connection, table, kinds[table.object_type])
        for table in sorted(settings.tables, key=lambda table: order.index(table.object_type))
    ]


def reflect(connection: Connection, settings: TableSettings) -> Table:
    """One table with all its columns.

    Raises:
        NoSuchTableError: it is not there.
        ConnectorError: a column that the settings name is not there.
    """
    metadata = MetaData()
    if connection.dialect.name == "sqlite":
        event.listen(metadata, "column_reflect", _leave_values_alone)
    table = Table(settings.table, metadata, schema=settings.schema, autoload_with=connection, resolve_fks=False)
    named = (*settings.key, *filter(None, [settings.cursor]), *(settings.columns or ()))
    missing = sorted({name for name in named if name not in table.columns})
    if missing:
        raise ConnectorError(f"the table {settings.full_name} has no column {', '.join(missing)}", for_good=True)
    return table


def _leave_values_alone(_inspector: object, _table: Table, column: dict[str, Any]) -> None:
    """SQLite keeps any value in any column, whatever the declared type makes of it."""
    column["info"] = {DECLARED: column["type"]}
    column["type"] = NullType()


def _find(connection: Connection, settings: TableSettings, kind: ObjectType) -> SourceTable:
    table = reflect(connection, settings)
    fields = {field.name: field for field in kind.fields}
    chosen = settings.columns or {column.name: column.name for column in table.columns if column.name in fields}
    unknown = sorted(set(chosen.values()) - fields.keys())
    if unknown:
        raise ConnectorError(f"the object type {kind.name} has no field {', '.join(unknown)}", for_good=True)
    without = [field.name for field in kind.fields if field.required and field.name not in chosen.values()]
    if without:
        raise ConnectorError(
            f"the table {settings.full_name} has no column for the required {', '.join(without)} of {kind.name}",
            for_good=True,
        )
    return SourceTable(
        kind,
        table,
        key=tuple(table.columns[name] for name in settings.key),
        cursor=None if settings.cursor is None else table.columns[settings.cursor],
        columns=tuple((table.columns[name], fields[field]) for name, field in chosen.items()),
    )


def _parents_first(kinds: Iterable[ObjectType]) -> list[str]:
    """The names in their order, each after those that it refers to; a circle is broken somewhere."""
    known = {kind.name: kind for kind in kinds}
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in known and name not in seen:
            seen.add(name)
            for relationship in known[name].relationships:
                visit(relationship.parent)
            order.append(name)

    for name in known:
        visit(name)
    return order
