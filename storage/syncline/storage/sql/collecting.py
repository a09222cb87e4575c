"""Expiry, and the collection of tombstones and departures (G10), receipts and conflicts."""

from __future__ import annotations

from sqlalchemy import BindParameter, ColumnElement, Connection, Table, bindparam, case, delete, func, select, update

from syncline.storage.limits import check_texts
from syncline.storage.models import Collected, DeviceState, Feed
from syncline.storage.sql.receipts import SqlReceipts
from syncline.storage.sql.tables import (
    conflict,
    departure,
    device,
    device_bucket,
    device_position,
    feed,
    record,
    session,
)

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_EXPIRED = (device.c.account_id == _OF_ACCOUNT, device.c.state == DeviceState.EXPIRED.value)
_EXPIRE = (
    update(device)
    .where(
        device.c.account_id == _OF_ACCOUNT,
        device.c.state == DeviceState.ACTIVE.value,
        device.c.last_contact < bindparam("seen_before"),
    )
    .values(state=DeviceState.EXPIRED.value)
)
_FORGET_POSITIONS = delete(device_position).where(
    device_position.c.account_id == _OF_ACCOUNT,
    device_position.c.device_uuid.in_(select(device.c.device_uuid).where(*_EXPIRED)),
)
_END_SESSIONS = delete(session).where(session.c.account_id == _OF_ACCOUNT, session.c.expire_at < bindparam("now"))
_FORGET_CONFLICTS = delete(conflict).where(
    conflict.c.account_id == _OF_ACCOUNT, conflict.c.decided_at < bindparam("seen_before")
)

_POSITION_PASSED = case(
    (device_position.c.acked_through > device_position.c.head_at_start, device_position.c.acked_through),
    else_=device_position.c.head_at_start,
)
_PASSED = (
    select(device_position.c.scope, device_position.c.bucket, func.min(_POSITION_PASSED).label("passed"))
    .join(
        device_bucket,
        (device_bucket.c.account_id == device_position.c.account_id)
        & (device_bucket.c.device_uuid == device_position.c.device_uuid)
        & (device_bucket.c.bucket == device_position.c.bucket),
    )
    .where(device_position.c.account_id == _OF_ACCOUNT)
    .group_by(device_position.c.scope, device_position.c.bucket)
)
"""Up to where all devices that need a feed have passed it. Expired devices have no positions any more."""

_FLOOR = select(feed.c.gc_floor).where(
    feed.c.account_id == _OF_ACCOUNT, feed.c.scope == bindparam("of_scope"), feed.c.bucket == bindparam("of_bucket")
)


def _gone_rows(table: Table) -> tuple[ColumnElement[bool], ...]:
    """The rows of an account that only tell of what is gone."""
    of_account = table.c.account_id == _OF_ACCOUNT
    return (of_account, table.c.deleted) if table is record else (of_account,)


_FEEDS = {
    table: select(table.c.scope, table.c.bucket).where(*_gone_rows(table)).group_by(table.c.scope, table.c.bucket)
    for table in (record, departure)
}
_REMOVE = {
    table: delete(table).where(
        *_gone_rows(table),
        table.c.scope == bindparam("of_scope"),
        table.c.bucket == bindparam("of_bucket"),
        table.c.revision <= bindparam("passed"),
    )
    for table in (record, departure)
}
_NEWEST_PASSED = {
    table: select(func.max(table.c.revision)).where(
        *_gone_rows(table),
        table.c.scope == bindparam("of_scope"),
        table.c.bucket == bindparam("of_bucket"),
        table.c.revision <= bindparam("passed"),
    )
    for table in (record, departure)
}


class SqlCollecting(SqlReceipts):
    """`CollectionStore`."""

    def collect(self, account_id: str, *, devices_seen_before: int, now: int) -> Collected:
        """See `CollectionStore.collect`."""

        def work(connection: Connection) -> Collected:
            # The lock of the head keeps records and departures as they are until this ends.
            head = self._take_revisions(connection, account_id, 0)
            values = {"of_account": account_id, "seen_before": devices_seen_before, "now": now}
            expired = connection.execute(_EXPIRE, values).rowcount
            if expired:
                connection.execute(_FORGET_POSITIONS, values)
            ended = connection.execute(_END_SESSIONS, values).rowcount
            passed = {Feed(row.scope, row.bucket): row.passed for row in connection.execute(_PASSED, values)}
            removed = {record: 0, departure: 0}
            for table in removed:
                for row in connection.execute(_FEEDS[table], values).all():
                    of_feed = Feed(row.scope, row.bucket)
                    removed[table] += self._collect(connection, account_id, table, of_feed, passed.get(of_feed, head))
            return Collected(
                tombstones=removed[record],
                departures=removed[departure],
                devices_expired=expired,
                sessions_ended=ended,
                receipts=self._forget_receipts(connection, account_id, decided_before=devices_seen_before),
                conflicts=connection.execute(_FORGET_CONFLICTS, values).rowcount,
            )

        return self._database.write(work)

    def get_floor(self, account_id: str, scope: str, bucket: str) -> int:
        """See `CollectionStore.get_floor`."""
        check_texts("feed", (scope, bucket))

        def work(connection: Connection) -> int:
            self._head(connection, account_id)
            values = {"of_account": account_id, "of_scope": scope, "of_bucket": bucket}
            return int(connection.execute(_FLOOR, values).scalar_one_or_none() or 0)

        return self._database.read(work)

    def _collect(self, connection: Connection, account_id: str, table: Table, of_feed: Feed, passed: int) -> int:
        """Remove what is passed and raise the feed's floor to the highest revision removed; how much was it?"""
        values = {
            "of_account": account_id,
            "of_scope": of_feed.scope,
            "of_bucket": of_feed.bucket,
            "passed": passed,
        }
        newest = connection.execute(_NEWEST_PASSED[table], values).scalar_one()
        if newest is None:
            return 0
        insert = self._database.insert(feed)
        raised = insert.on_conflict_do_update(
            index_elements=list(feed.primary_key),
            set_={"gc_floor": insert.excluded.gc_floor},
            where=feed.c.gc_floor < insert.excluded.gc_floor,
        )
        row = {"account_id": account_id, "scope": of_feed.scope, "bucket": of_feed.bucket, "gc_floor": newest}
        connection.execute(raised, row)
        return connection.execute(_REMOVE[table], values).rowcount
