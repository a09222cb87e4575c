"""WRITE: the records that changed here, into their tables, some hundred in a transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from syncline.data.schema import FieldType, ObjectType
from syncline.server.requests.connectors.contract import ConnectorError, Job, Outgoing
from syncline.server.requests.connectors.sql.connecting import connected
from syncline.server.requests.connectors.sql.settings import SqlSettings
from syncline.server.requests.connectors.sql.tables import SourceTable, find_tables
from syncline.server.requests.connectors.sql.values import value_writer

TRANSACTION_RECORDS: Final = 500

Row = dict[str, Any]
"""The values of a table's columns."""


def write(job: Job, settings: SqlSettings, records: Iterator[Outgoing]) -> Iterator[int]:
    """Write the records of the tables that there are settings for; see `Connector.write`."""
    with connected(job, settings, writes=True) as connection:
        with connection.begin():
            tables = {table.name: TableWriter(table) for table in find_tables(connection, settings, job.schema)}
        while not job.stopped() and (some := list(islice(records, TRANSACTION_RECORDS))):
            with connection.begin():
                for (name, deleted), same in groupby(some, lambda each: (each.object_type, each.data is None)):
                    if name in tables and deleted:
                        tables[name].delete(connection, list(same))
                    elif name in tables:
                        tables[name].upsert(connection, list(same))
            yield max(record.revision for record in some)


class TableWriter:
    """Writes the records of one object type.

    Raises:
        ConnectorError: the table's key is not the object type's primary key.
    """

    def __init__(self, source: SourceTable) -> None:
        self._kind = source.kind
        self._table = source.table
        self._columns = {field.name: (column.name, value_writer(field, column)) for column, field in source.columns}
        self._key = [column.name for column in source.key]
        key = [self._columns[name][0] for name in source.kind.primary_key]
        if not key or set(key) != set(self._key):
            raise ConnectorError(
                f"the key of {source.table.name} is not the primary key of {source.kind.name}, so it cannot be written",
                for_good=True,
            )

    def upsert(self, connection: Connection, records: Sequence[Outgoing]) -> None:
        """Have the rows be as the records are; absent fields become NULL."""
        # One statement must not change a row twice: of each record the newest counts.
        rows = list({record.key: self._row(record.key, record.data or {}) for record in records}.values())
        upsert = _UPSERTS.get(connection.dialect.name, upsert_one_by_one)
        upsert(connection, self._table, self._key, rows)

    def delete(self, connection: Connection, records: Sequence[Outgoing]) -> None:
        """Delete the rows; one that is not there is no fault."""
        fields = [_key_fields(self._kind, record.key) for record in records]
        keys = [{name: self._value(record.key, name, value) for name, value in each.items()}
                for record, each in zip(records, fields, strict=True)]  # fmt: skip
        rows = [{self._columns[name][0]: value for name, value in each.items()} for each in keys]
        connection.execute(delete(self._table).where(_has_key(self._table, self._key)), _as_parameters(rows))

    def _row(self, key: str, data: Mapping[str, Any]) -> Row:
        return {column: self._value(key, name, data.get(name)) for name, (column, _) in self._columns.items()}

    def _value(self, key: str, name: str, value: Any) -> Any:
        if value is None:
            return None
        try:
            return self._columns[name][1](value)
        except (ValueError, TypeError, ArithmeticError):
            column = self._columns[name][0]
            raise ConnectorError(
                f"{self._kind.name} {key!r:.60}: the column {column} cannot hold the field {name}", for_good=True
            ) from None


def _key_fields(kind: ObjectType, key: str) -> dict[str, Any]:
    """The primary key's fields of a record key; see `syncline.data.keys`."""
    first = next(field for field in kind.fields if field.name == kind.primary_key[0])
    one_text = len(kind.primary_key) == 1 and first.type is FieldType.STRING
    return dict(zip(kind.primary_key, [key] if one_text else json.loads(key), strict=True))


def _upsert_on_conflict(dialect_insert: Callable[[Table], Any]) -> Callable[..., None]:
    def upsert(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Row]) -> None:
        statement = dialect_insert(table)
        others = {name: statement.excluded[name] for name in rows[0] if name not in key}
        if others:
            statement = statement.on_conflict_do_update(index_elements=list(key), set_=others)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=list(key))
        connection.execute(statement, list(rows))

    return upsert


def upsert_one_by_one(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Row]) -> None:
    """Update what is there, and insert what is not: for databases whose own way is not known here.

    It is looked first: some databases count only rows that an update has really changed.
    """
    for row in rows:
        same = and_(*(table.columns[name] == row[name] for name in key))
        others = {name: value for name, value in row.items() if name not in key}
        if connection.execute(select(table.columns[key[0]]).where(same)).first() is None:
            connection.execute(insert(table), row)
        elif others:
            connection.execute(update(table).where(same).values(others))


_UPSERTS: Final[Mapping[str, Callable[[Connection, Table, Sequence[str], Sequence[Row]], None]]] = {
    "postgresql": _upsert_on_conflict(postgresql.insert),
    "sqlite": _upsert_on_conflict(sqlite.insert),
}


def _has_key(table: Table, key: Sequence[str]) -> Any:
    return and_(*(table.columns[name] == bindparam(f"of_{name}", type_=table.columns[name].type) for name in key))


def _as_parameters(rows: Sequence[Row]) -> list[Row]:
    return [{f"of_{name}": value for name, value in row.items()} for row in rows]
