"""What stands in ranges of keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Table,
    bindparam,
    case,
    literal,
    not_,
    or_,
    select,
)

from syncline.storage.device_access import check_access
from syncline.storage.errors import ObjectTypeNotFound, ResyncRequired
from syncline.storage.limits import check_ranges
from syncline.storage.models import DeviceState, Feed, KeyRange, RangeEntry, RangeRows
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.schemas import SqlSchemas
from syncline.storage.sql.tables import departure, record

_KNOWN: BindParameter[int] = bindparam("known")
_NO_HASH = literal(b"", LargeBinary)


def _in_range(table: Table, *, has_start: bool, has_end: bool) -> Select[Any]:
    """The rows of a range in the order of keys; the columns are the fields of `RangeEntry`."""
    shown: ColumnElement[bool] = table.c.revision > _KNOWN
    data_hash: ColumnElement[bytes] = _NO_HASH
    if table is record:
        shown = or_(not_(record.c.deleted), shown)
        data_hash = case((record.c.deleted, _NO_HASH), else_=record.c.data_hash)
    rows = select(table.c.record_key, table.c.revision, data_hash).where(
        table.c.account_id == bindparam("of_account"),
        table.c.object_type == bindparam("of_type"),
        table.c.scope == bindparam("of_scope"),
        table.c.bucket == bindparam("of_bucket"),
        shown,
    )
    if has_start:
        rows = rows.where(table.c.record_key > bindparam("after_key"))
    if has_end:
        rows = rows.where(table.c.record_key <= bindparam("through_key"))
    return rows.order_by(table.c.record_key).limit(bindparam("limit"))


# Two statements rather than a UNION, which would be sorted: see `feeds`.
_ROWS = {
    choice: [_in_range(table, has_start=choice[0], has_end=choice[1]) for table in (record, departure)]
    for choice in product((False, True), repeat=2)
}
"""By: has the range a start? an end?"""


class SqlReconciling(SqlDevices, SqlSchemas):
    """`ReconcileStore`."""

    def read_ranges(
        self,
        account_id: str,
        device_uuid: UUID,
        object_type: str,
        bucket: str,
        ranges: Sequence[KeyRange],
        *,
        known_revision: int,
        limit: int,
    ) -> list[RangeRows]:
        """See `ReconcileStore.read_ranges`."""
        check_ranges(object_type, bucket, ranges)

        def work(connection: Connection) -> list[RangeRows]:
            feed = self._feed_to_compare(connection, account_id, device_uuid, object_type, bucket)
            values = {
                "of_account": account_id,
                "of_type": object_type,
                "of_scope": feed.scope,
                "of_bucket": feed.bucket,
                "known": known_revision,
                "limit": limit + 1,
            }
            return [_read_range(connection, wanted, values, limit) for wanted in ranges]

        return self._database.read(work)

    def _feed_to_compare(
        self, connection: Connection, account_id: str, device_uuid: UUID, object_type: str, bucket: str
    ) -> Feed:
        """Where the type's records of the bucket are, or why the device may not compare them."""
        found = self._device_at_head(connection, account_id, device_uuid)
        check_access(account_id, found.device, found.head)
        scopes = self._scopes_of_types(connection, account_id, [object_type])
        if object_type not in scopes:
            raise ObjectTypeNotFound(object_type)
        feed = Feed(scopes[object_type], bucket)
        if found.device.state is DeviceState.EXPIRED:
            raise ResyncRequired((), "the device was not seen for too long")
        if bucket not in self._grants(connection, account_id, device_uuid):
            raise ResyncRequired((feed,), "the bucket is not granted to this device")
        return feed


def _read_range(connection: Connection, wanted: KeyRange, values: Mapping[str, Any], limit: int) -> RangeRows:
    """What stands in one range: a key has a record there or a departure, never both."""
    of_range = {**values, "after_key": wanted.after_key, "through_key": wanted.through_key}
    statements = _ROWS[wanted.after_key is not None, wanted.through_key is not None]
    entries: list[RangeEntry] = []
    for statement in statements:
        entries += map(RangeEntry._make, connection.execute(statement, of_range).all())
    entries.sort()
    return RangeRows(entries=tuple(entries[:limit]), cut=len(entries) > limit)
