"""How much waits: figures of all accounts, each read off an index, as far as a limit."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from syncline.storage.models import DeviceState
from syncline.storage.request_models import Operation
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.packing import count_intervals
from syncline.storage.sql.tables import (
    app_enrollment,
    departure,
    device,
    device_position,
    object_type,
    record,
    rejection,
    sync_request,
)
from syncline.storage.statistics_models import (
    COUNTED_MAX,
    DEVICES_MAX,
    ENROLLMENTS_MAX,
    HOLEY_MAX,
    IN_TOUCH_US,
    NEWEST_REQUESTS,
    POSITIONS_MAX,
    DeviceStanding,
    Statistics,
)

_NOW: BindParameter[int] = bindparam("now")
_SEEN_SINCE: BindParameter[int] = bindparam("seen_since")
_ONE = literal_column("1", Integer)
_COUNTED_MAX = literal_column(str(COUNTED_MAX), Integer)


def _text(value: str) -> ColumnElement[str]:
    """As a constant of the statement: see `syncline.storage.sql.claiming`."""
    return literal_column(f"'{value}'", Text)


class _Clock(FunctionElement[int]):
    """The database's time, in microseconds since the Unix epoch."""

    name = "clock"
    inherit_cache = True


@compiles(_Clock, "sqlite")
def _clock_on_sqlite(*_: Any, **__: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(_Clock, "postgresql")
def _clock_on_postgres(*_: Any, **__: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


_READ_CLOCK = select(_Clock())


# Devices

_LOOKED = (
    select(device.c.account_id, device.c.device_uuid, device.c.state, device.c.last_contact)
    .order_by(device.c.account_id, device.c.device_uuid)
    .limit(literal_column(str(DEVICES_MAX)))
    .cte("looked")
    .prefix_with("MATERIALIZED")
)
_STANDING = case(
    (_LOOKED.c.state == _text(DeviceState.EXPIRED.value), _text(DeviceStanding.EXPIRED.value)),
    (_LOOKED.c.last_contact >= _SEEN_SINCE, _text(DeviceStanding.IN_TOUCH.value)),
    else_=_text(DeviceStanding.AWAY.value),
)
_DEVICES = select(_STANDING.label("standing"), func.count()).group_by(literal_column("standing"))
_OF_LOOKED = (
    select(device_position)
    .join(
        _LOOKED,
        and_(
            _LOOKED.c.account_id == device_position.c.account_id, _LOOKED.c.device_uuid == device_position.c.device_uuid
        ),
    )
    .where(
        _LOOKED.c.state == _text(DeviceState.ACTIVE.value),
        _LOOKED.c.last_contact >= _SEEN_SINCE,
    )
    .limit(literal_column(str(POSITIONS_MAX)))
    .cte("of_looked")
    .prefix_with("MATERIALIZED")
)
# By itself: with object types in the join above, a planner that knows nothing compares each position with each device.
_POSITION = (
    select(_OF_LOOKED)
    .where(
        exists().where(object_type.c.account_id == _OF_LOOKED.c.account_id, object_type.c.scope == _OF_LOOKED.c.scope)
    )
    .cte("position")
    .prefix_with("MATERIALIZED")
)


def _greater(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one > other, one), else_=other)


def _in_feed(table: Table, of: CTE) -> tuple[ColumnElement[bool], ...]:
    return (table.c.account_id == of.c.account_id, table.c.scope == of.c.scope, table.c.bucket == of.c.bucket)


def _newest(table: Table, of: CTE) -> ColumnElement[int]:
    newest: Select[tuple[int]] = select(table.c.revision).where(*_in_feed(table, of))
    return func.coalesce(newest.order_by(table.c.revision.desc()).limit(1).scalar_subquery(), 0)


def _first_made(table: Table, of: CTE) -> ColumnElement[int]:
    """When the first row above the feed's lowest start was made."""
    first: Select[tuple[int]] = select(table.c.modified_at).where(*_in_feed(table, of), table.c.revision > of.c.start)
    return first.order_by(table.c.revision).limit(1).scalar_subquery()


def _feed_of(rows: CTE) -> tuple[ColumnElement[str], ...]:
    return (rows.c.account_id, rows.c.scope, rows.c.bucket)


_START = _greater(_POSITION.c.acked_through, _POSITION.c.head_at_start)
_PLACE = (
    select(
        *_feed_of(_POSITION),
        _POSITION.c.device_uuid,
        _POSITION.c.acked_through,
        _START.label("start"),
        func.row_number().over(partition_by=_feed_of(_POSITION), order_by=_START).label("nth"),
    )
    .cte("place")
    .prefix_with("MATERIALIZED")
)
_IS_FIRST = _PLACE.c.nth == literal_column("1", Integer)
"""The lowest position of its feed. Only there a look into the feed's index is made, however many devices read it."""
# Windows rather than joins: a planner that knows nothing would compare each position with each feed.
_NEWEST = (
    select(
        *_feed_of(_PLACE),
        _PLACE.c.device_uuid,
        _PLACE.c.acked_through,
        case((_IS_FIRST, _newest(record, _PLACE))).label("of_records"),
        case((_IS_FIRST, _newest(departure, _PLACE))).label("of_departures"),
    )
    .cte("newest")
    .prefix_with("MATERIALIZED")
)
_IN_FEED = [
    func.max(newest).over(partition_by=_feed_of(_NEWEST)) for newest in (_NEWEST.c.of_records, _NEWEST.c.of_departures)
]
_AHEAD = select(
    _NEWEST.c.account_id, _NEWEST.c.device_uuid, (_greater(*_IN_FEED) - _NEWEST.c.acked_through).label("revisions")
).cte("ahead")
_LAGS = (
    select(func.max(_greater(_AHEAD.c.revisions, literal_column("0", Integer))).label("lag"))
    .group_by(_AHEAD.c.account_id, _AHEAD.c.device_uuid)
    .cte("lags")
    .prefix_with("MATERIALIZED")
)
_IN_THE_MIDDLE = select((func.count() - 1) // literal_column("2", Integer)).select_from(_LAGS)
_MADE = union_all(*(select(_first_made(table, _PLACE).label("made")).where(_IS_FIRST) for table in (record, departure)))
_QUEUES = select(
    func.coalesce(func.max(_LAGS.c.lag), 0).label("lag_max"),
    func.coalesce(
        select(_LAGS.c.lag).order_by(_LAGS.c.lag).limit(1).offset(_IN_THE_MIDDLE.scalar_subquery()).scalar_subquery(), 0
    ).label("lag_median"),
    select(func.min(_MADE.subquery().c.made)).scalar_subquery().label("oldest_made"),
)
_HOLES = (
    select(_POSITION.c.acked_beyond)
    .where(func.length(_POSITION.c.acked_beyond) > literal_column("0"))
    .order_by(func.length(_POSITION.c.acked_beyond).desc())
    .limit(literal_column(str(HOLEY_MAX)))
)


# What is counted, up to a limit


def _counted(rows: Select[Any]) -> ColumnElement[int]:
    return select(func.count()).select_from(rows.limit(_COUNTED_MAX).subquery()).scalar_subquery()


def _in_feed_order(table: Table) -> Select[Any]:
    """In the order of an index, so that nothing else is looked at, whatever the planner knows."""
    in_order = (table.c.account_id, table.c.scope, table.c.bucket, table.c.revision)
    return select(_ONE.label("one")).select_from(table).order_by(*in_order)


def _of_status(status: RequestStatus) -> Select[Any]:
    return (
        select(sync_request.c.due_at)
        .where(sync_request.c.status == _text(status.value))
        .order_by(sync_request.c.due_at)
    )


_REFUSED_ITEM = select(rejection.c.parked).limit(_COUNTED_MAX).subquery()
_REFUSED = select(_REFUSED_ITEM.c.parked, func.count().label("number")).group_by(_REFUSED_ITEM.c.parked)
_OPEN: Final = tuple(status for status in RequestStatus if not status.is_final)
_COUNTS = select(
    _counted(_in_feed_order(record).where(record.c.deleted)).label("tombstones"),
    _counted(_in_feed_order(departure)).label("departures"),
    *(_counted(_of_status(status)).label(status.value) for status in _OPEN),
)
_FIRST_DUE = [
    _of_status(status).where(sync_request.c.due_at <= _NOW).limit(1).subquery().select()
    for status in (RequestStatus.READY, RequestStatus.CONNECTOR)
]
_DUE = union_all(*_FIRST_DUE).subquery()
_OLDEST_DUE = select(func.min(_DUE.c.due_at))

_ENROLLMENT = (
    select(app_enrollment.c.account_id, app_enrollment.c.enrollment_id)
    .where(app_enrollment.c.enabled)
    .order_by(app_enrollment.c.account_id, app_enrollment.c.enrollment_id)
    .limit(literal_column(str(ENROLLMENTS_MAX)))
    .subquery()
)
_NEWEST_REQUESTS = (
    select(sync_request)
    .where(
        sync_request.c.account_id == _ENROLLMENT.c.account_id,
        sync_request.c.enrollment_id == _ENROLLMENT.c.enrollment_id,
    )
    .order_by(sync_request.c.created_at.desc(), sync_request.c.request_id.desc())
    .limit(literal_column(str(NEWEST_REQUESTS)))
    .correlate(_ENROLLMENT)
    .subquery()
)
_LAST_ENDING = (
    select(_NEWEST_REQUESTS.c.status)
    .where(
        _NEWEST_REQUESTS.c.parent_id.is_(None),
        _NEWEST_REQUESTS.c.operation != _text(Operation.CHECK.value),
        _NEWEST_REQUESTS.c.status.in_([_text(status.value) for status in RequestStatus if status.is_final]),
    )
    .order_by(_NEWEST_REQUESTS.c.created_at.desc(), _NEWEST_REQUESTS.c.request_id.desc())
    .limit(1)
    .scalar_subquery()
)
_FAILING = select(func.count()).select_from(_ENROLLMENT).where(_text(RequestStatus.FAILED.value) == _LAST_ENDING)

CROSSING_ACCOUNTS: Final = (_DEVICES, _QUEUES, _HOLES, _REFUSED, _COUNTS, _OLDEST_DUE, _FAILING)
"""All of them look across accounts: their figures are those of the store."""


class SqlStatistics(SqlBase):
    """`StatisticsStore`."""

    def read_clock(self) -> int:
        """See `StatisticsStore.read_clock`."""
        return int(self._database.read(lambda connection: connection.execute(_READ_CLOCK).scalar_one()))

    def read_statistics(self, *, now: int) -> Statistics:
        """See `StatisticsStore.read_statistics`."""
        times = {"now": now, "seen_since": now - IN_TOUCH_US}

        def work(connection: Connection) -> Statistics:
            devices = {DeviceStanding(standing): count for standing, count in connection.execute(_DEVICES, times)}
            queues = connection.execute(_QUEUES, times).one()
            holes = [count_intervals(packed) for packed in connection.execute(_HOLES, times).scalars()]
            refused = {row.parked: row.number for row in connection.execute(_REFUSED)}
            counts = connection.execute(_COUNTS).mappings().one()
            oldest_due = connection.execute(_OLDEST_DUE, times).scalar_one()
            return Statistics(
                devices={standing: devices.get(standing, 0) for standing in DeviceStanding},
                lag_max=queues.lag_max,
                lag_median=queues.lag_median,
                oldest_item_age=_age(queues.oldest_made, now),
                holes_max=max(holes, default=0),
                holes_total=sum(holes),
                refused_items=refused.get(False, 0),
                parked_items=refused.get(True, 0),
                requests={status: counts[status.value] for status in _OPEN},
                oldest_due_age=_age(oldest_due, now),
                failing_enrollments=connection.execute(_FAILING).scalar_one(),
                tombstones=counts["tombstones"],
                departures=counts["departures"],
            )

        return self._database.read(work)


def _age(since: int | None, now: int) -> int:
    return 0 if since is None else max(0, now - since)
