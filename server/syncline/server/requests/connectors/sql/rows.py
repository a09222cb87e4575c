"""From a row of a table to a row for the runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column

from syncline.data.canonical import canonical_array
from syncline.data.errors import DataError
from syncline.server.requests.connectors.contract import BadRow, IncomingRow
from syncline.server.requests.connectors.sql.tables import SourceTable
from syncline.server.requests.connectors.sql.values import data_error, text_of, value_reader

_VALUE_CHARS_MAX = 200


class RowReader:
    """Prepared once for a table. Its rows are to be selected with exactly `columns`."""

    def __init__(self, table: SourceTable) -> None:
        self._name = table.name
        columns = [*table.key, *(column for column, _ in table.columns)]
        if table.cursor is not None:
            columns.append(table.cursor)
        self.columns: list[Column[Any]] = list(dict.fromkeys(columns))
        """Each once."""
        at = {column: index for index, column in enumerate(self.columns)}
        self._key = [at[column] for column in table.key]
        self._cursor = None if table.cursor is None else at[table.cursor]
        self._fields = [
            (at[column], field.name, value_reader(field, column), column, field) for column, field in table.columns
        ]

    def key_of(self, row: Sequence[Any]) -> list[Any]:
        """The values of the key columns."""
        return [row[index] for index in self._key]

    def cursor_of(self, row: Sequence[Any]) -> Any:
        """The value of the cursor column; None as well if there is no such column."""
        return None if self._cursor is None else row[self._cursor]

    def read(self, row: Sequence[Any]) -> IncomingRow | BadRow:
        """One row. NULL is an absent field."""
        try:
            source_key = self._source_key(row)
        except ValueError as fault:
            return BadRow(self._name, f"the key cannot be used: {fault}", value=_shown(self.key_of(row)))
        data: dict[str, Any] = {}
        for index, name, read, column, field in self._fields:
            value = row[index]
            if value is None:
                continue
            try:
                data[name] = read(value)
            except (ValueError, TypeError, ArithmeticError) as fault:
                reason = data_error(field, column, fault)
                return BadRow(self._name, reason, source_key=source_key, field=name, value=_shown(value))
        return IncomingRow(self._name, data, source_key)

    def _source_key(self, row: Sequence[Any]) -> str:
        key = self.key_of(row)
        if None in key:
            raise DataError("", "a key column is NULL")
        if len(key) == 1:
            return text_of(key[0])
        return canonical_array([value if isinstance(value, int) else text_of(value) for value in key])


def _shown(value: object) -> str:
    try:
        return text_of(value)[:_VALUE_CHARS_MAX]
    except ValueError:
        return f"{value}"[:_VALUE_CHARS_MAX]
