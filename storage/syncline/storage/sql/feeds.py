"""Reading feeds: records and departures as one list in revision order, off the index, in chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    union_all,
)

from syncline.storage.models import EventType, Feed, FeedItem
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_rows, json_rows
from syncline.storage.sql.tables import departure, record
from syncline.storage.sql.unread import Range

_CHUNK_ITEMS_FIRST = 256
_CHUNK_ITEMS_MAX = 4096


def _number(kind: EventType) -> ColumnElement[int]:
    return literal_column(str(int(kind)), BigInteger)


def _in_range(table: Table, bounds: Any) -> tuple[ColumnElement[bool], ...]:
    """The rows of the range: of records all that live, of deletes and departures those above `gone_above`."""
    place = (
        table.c.account_id == bindparam("of_account"),
        table.c.scope == bounds["scope"],
        table.c.bucket == bounds["bucket"],
        table.c.revision <= bounds["through"],
    )
    if table is departure:
        return (*place, table.c.revision > bounds["gone_above"])
    alive = or_(not_(table.c.deleted), table.c.revision > bounds["gone_above"])
    return (*place, table.c.revision > bounds["above"], alive)


_BOUNDS: dict[str, BindParameter[Any]] = {name: bindparam(f"of_{name}") for name in Range._fields}

_LIMIT = bindparam("limit", type_=BigInteger)
# Two statements rather than a UNION: for one of those SQLite sorts each page, and Postgres all of the feed. The columns
# are the fields of `FeedItem`, in their order.
_RECORDS = (
    select(
        record.c.revision,
        case(
            (record.c.deleted, _number(EventType.DELETED)),
            (record.c.entered_revision > bindparam("of_start"), _number(EventType.CREATED)),
            else_=_number(EventType.UPDATED),
        ),
        record.c.frame,
        record.c.object_type,
        record.c.record_key,
        record.c.modified_at,
        record.c.trace_context,
    )
    .where(*_in_range(record, _BOUNDS))
    .order_by(record.c.revision)
    .limit(_LIMIT)
)
_DEPARTURES = (
    select(
        departure.c.revision,
        _number(EventType.DELETED),
        cast(null(), LargeBinary),
        departure.c.object_type,
        departure.c.record_key,
        departure.c.modified_at,
        cast(null(), Text),
    )
    .where(*_in_range(departure, _BOUNDS))
    .order_by(departure.c.revision)
    .limit(_LIMIT)
)

_ranges = json_rows("ranges", scope=Text, bucket=Text, above=BigInteger, through=BigInteger, gone_above=BigInteger)


def _first_in(table: Table) -> ColumnElement[int]:
    rows: Select[tuple[int]] = select(table.c.revision).where(*_in_range(table, _ranges.c))
    return rows.order_by(table.c.revision).limit(1).scalar_subquery()


_FIRST_UNREAD = select(_ranges.c.scope, _ranges.c.bucket, _first_in(record), _first_in(departure))

_COUNT = select(
    func.count().label("rows"),
).select_from(
    union_all(
        *(
            select(literal_column("1")).where(*_in_range(table, _BOUNDS)).select_from(table)
            for table in (record, departure)
        )
    )
    .limit(_LIMIT)
    .subquery()
)


class Room:
    """How much a read may still take."""

    def __init__(self, *, items: int, size_bytes: int, whole: Room | None = None) -> None:
        self.items = items
        self.size_bytes = size_bytes
        self._whole = whole

    def share(self, parts: int) -> Room:
        """An equal part of it, of at least one item. What is taken of the part is taken of the whole."""
        return Room(items=max(1, self.items // parts), size_bytes=self.size_bytes // parts, whole=self)

    def fitting(self, sizes_bytes: Sequence[int], *, at_least: int) -> int:
        """How many of these items fit."""
        room = min(len(sizes_bytes), self.items)
        if sum(sizes_bytes) <= self.size_bytes:
            return room
        return max(at_least, sum(total <= self.size_bytes for total in accumulate(sizes_bytes[:room])))

    def take(self, sizes_bytes: Sequence[int]) -> None:
        """Use some of it."""
        self.items -= len(sizes_bytes)
        self.size_bytes -= sum(sizes_bytes)
        if self._whole is not None:
            self._whole.take(sizes_bytes)


class SqlFeeds(SqlBase):
    """The hot read, and the cheap questions about what there is to read."""

    def _read_ranges(
        self, connection: Connection, account_id: str, ranges: Sequence[Range], start: int, room: Room
    ) -> tuple[list[FeedItem], bool]:
        """The items of a feed's ranges, at least one if there is one; were they cut off for want of room?"""
        items: list[FeedItem] = []
        for bounds in ranges:
            above, chunk = bounds.above, _CHUNK_ITEMS_FIRST
            while True:
                limit = min(chunk, room.items + 1)
                part = self._read_chunk(connection, account_id, bounds, start, above, limit)
                sizes_bytes = [len(item[2] or b"") for item in part]
                fitting = room.fitting(sizes_bytes, at_least=0 if items else min(1, len(part)))
                room.take(sizes_bytes[:fitting])
                items += part[:fitting]
                if fitting < len(part):
                    return items, True
                if len(part) < limit:
                    break
                above = part[-1].revision
                mean_bytes = sum(sizes_bytes) // len(part) + 1
                chunk = max(1, min(4 * chunk, _CHUNK_ITEMS_MAX, room.size_bytes // mean_bytes + 1))
        return items, False

    def _read_chunk(
        self, connection: Connection, account_id: str, bounds: Range, start: int, above: int, limit: int
    ) -> list[FeedItem]:
        """The next items of a range, straight from the driver: SQLAlchemy's rows would cost as much again."""
        values = {
            "of_account": account_id,
            "of_scope": bounds.scope,
            "of_bucket": bounds.bucket,
            "of_above": above,
            "of_through": bounds.through,
            "of_gone_above": max(above, bounds.gone_above),
            "of_start": start,
            "limit": limit,
        }
        items = _fetch(connection, _RECORDS, values)
        departed = _fetch(connection, _DEPARTURES, values)
        return sorted([*items, *departed], key=itemgetter(0))[:limit] if departed else items

    def _first_unread(self, connection: Connection, account_id: str, ranges: Iterable[Range]) -> dict[Feed, int]:
        """The lowest revision in each feed's ranges; feeds without any are left out. One look at the index a range."""
        found = connection.execute(_FIRST_UNREAD, {"of_account": account_id, "ranges": as_json_rows(ranges)})
        first: dict[Feed, int] = {}
        for scope, bucket, *revisions in found:
            for revision in revisions:
                if revision is not None:
                    feed = Feed(scope, bucket)
                    first[feed] = min(revision, first.get(feed, revision))
        return first

    def _count_ranges(self, connection: Connection, account_id: str, ranges: Iterable[Range], limit: int) -> int:
        """How many items the ranges hold; counting stops at `limit`."""
        total = 0
        for bounds in ranges:
            if total < limit:
                values = {f"of_{name}": value for name, value in bounds._asdict().items()}
                values |= {"of_account": account_id, "limit": limit - total}
                total += int(connection.execute(_COUNT, values).scalar_one())
        return total


def _fetch(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> list[FeedItem]:
    result = connection.execute(statement, values)
    rows = result.cursor.fetchall() if result.cursor is not None else []
    result.close()
    return list(map(FeedItem._make, rows))
