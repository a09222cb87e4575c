"""READ: tables one after the other, each as one statement whose rows come as they are needed.

A table is read in the order of its key if all of it is wanted, else in the order of its cursor column from the highest
value that is known. What has that very value comes again, since more rows may have got it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from syncline.server.requests.connectors.contract import BadRow, ConnectorError, Incoming, IncomingRow, Job
from syncline.server.requests.connectors.sql.connecting import check_stopped, connected
from syncline.server.requests.connectors.sql.cursors import Cursor, Mark, Place, read_cursor
from syncline.server.requests.connectors.sql.rows import RowReader
from syncline.server.requests.connectors.sql.settings import SqlSettings
from syncline.server.requests.connectors.sql.tables import SourceTable, find_tables


def read(job: Job, settings: SqlSettings) -> Iterator[Incoming]:
    """All rows that the job asks for; see `Connector.read`."""
    cursor = read_cursor(job.cursor)
    if not cursor.is_running:
        cursor = Cursor({} if job.full else cursor.marks, is_running=True)
    check_stopped(job)
    with connected(job, settings, writes=False) as connection:
        with connection.begin():
            tables = find_tables(connection, settings, job.schema)
        estimate = _estimate(connection, tables, job) if job.full else 0
        for table in tables:
            if table.name not in cursor.done:
                with connection.begin():
                    yield from _Reading(connection, table, cursor, job, settings.batch_rows, estimate).batches()
    cursor.is_running = False
    yield Incoming((), cursor.to_text(), estimate=estimate)


def _estimate(connection: Connection, tables: Sequence[SourceTable], job: Job) -> int:
    count = 0
    for table in tables:
        check_stopped(job)
        with connection.begin():
            count += connection.execute(select(func.count()).select_from(table.table)).scalar_one()
    return count


class _Reading:
    """One table in one transaction. The cursor moves on with each batch."""

    def __init__(
        self, connection: Connection, table: SourceTable, cursor: Cursor, job: Job, batch_rows: int, estimate: int
    ) -> None:
        self._connection = connection
        self._table = table
        self._cursor = cursor
        self._job = job
        self._batch_rows = batch_rows
        self._estimate = estimate
        self._rows = RowReader(table)

    def batches(self) -> Iterator[Incoming]:
        """The rest of the table; afterwards the cursor says that it is done."""
        place = self._begin()
        by_cursor = place.cursor is not None
        yield from self._without_key(place)
        statement = self._statement(place)
        with self._connection.execute(statement, execution_options={"stream_results": True}) as result:
            while rows := result.fetchmany(self._batch_rows):
                check_stopped(self._job)
                place.key = self._rows.key_of(rows[-1])
                if by_cursor:
                    place.cursor = self._rows.cursor_of(rows[-1])
                yield self._incoming([self._rows.read(row) for row in rows])
                check_stopped(self._job)
        self._end(place, by_cursor=by_cursor)

    def _begin(self) -> Place:
        """Where to go on; its key is empty at the beginning of a table."""
        cursor, column = self._cursor, self._table.cursor
        if cursor.place is None or cursor.place.table != self._table.name:
            mark = cursor.marks.get(self._table.name)
            if column is not None and mark is not None and mark.column == column.name:
                cursor.place = Place(self._table.name, [], cursor=mark.value)
            else:
                # Of the same snapshot as the rows: what changes later has this value or a higher one.
                newest = None if column is None else self._connection.execute(select(func.max(column))).scalar_one()
                cursor.place = Place(self._table.name, [], mark=newest)
        place = cursor.place
        if (place.key and len(place.key) != len(self._table.key)) or (place.cursor is not None and column is None):
            raise ConnectorError(f"the settings of {self._table.name} changed while it was read", for_good=True)
        return place

    def _end(self, place: Place, *, by_cursor: bool) -> None:
        newest = place.cursor if by_cursor else place.mark
        if self._table.cursor is not None and newest is not None:
            self._cursor.marks[self._table.name] = Mark(self._table.cursor.name, newest)
        else:
            self._cursor.marks.pop(self._table.name, None)
        self._cursor.done.append(self._table.name)
        self._cursor.place = None

    def _statement(self, place: Place) -> Select[Any]:
        key = list(self._table.key)
        statement = select(*self._rows.columns).where(*(column.is_not(None) for column in key if column.nullable))
        if place.cursor is None or self._table.cursor is None:
            statement = statement.order_by(*key)
            return statement.where(_beyond(key, place.key)) if place.key else statement
        statement = statement.order_by(self._table.cursor, *key).where(self._table.cursor >= place.cursor)
        if place.key:
            statement = statement.where(_beyond([self._table.cursor, *key], [place.cursor, *place.key]))
        return statement

    def _without_key(self, place: Place) -> Iterator[Incoming]:
        """Rows that nothing names cannot be put in order: some of them are told of, at the beginning of the table."""
        nullable = [column for column in self._table.key if column.nullable]
        if not nullable or place.key:
            return
        statement = select(*self._rows.columns).where(or_(*(column.is_(None) for column in nullable)))
        if place.cursor is not None and self._table.cursor is not None:
            statement = statement.where(self._table.cursor >= place.cursor)
        if rows := self._connection.execute(statement.limit(self._batch_rows)).all():
            yield self._incoming([self._rows.read(row) for row in rows])

    def _incoming(self, rows: Sequence[IncomingRow | BadRow]) -> Incoming:
        return Incoming(
            tuple(row for row in rows if isinstance(row, IncomingRow)),
            self._cursor.to_text(),
            bad_rows=tuple(row for row in rows if isinstance(row, BadRow)),
            estimate=self._estimate,
        )


def _beyond(columns: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Is a row after this one, in the order of these columns? Not every database compares rows by itself."""
    first, value = columns[0], values[0]
    later: ColumnElement[bool] = first > value
    if len(columns) == 1:
        return later
    # The first condition is for the database's index.
    return and_(first >= value, or_(later, _beyond(columns[1:], values[1:])))
