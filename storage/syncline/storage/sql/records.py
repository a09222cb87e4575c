"""Reading records by their key."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, bindparam, func, not_, select

from syncline.storage.limits import check_key, check_text
from syncline.storage.models import Record
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.tables import object_type, record

_OF_TYPE = (record.c.account_id == bindparam("of_account"), record.c.object_type == bindparam("of_type"))
_BY_KEY = select(record).where(*_OF_TYPE, one_of_keys("keys", record.c.record_key))
_LIVE_BY_TYPE = (
    select(record).where(*_OF_TYPE, not_(record.c.deleted)).order_by(record.c.record_key).limit(bindparam("limit"))
)
_LIVE_AFTER = _LIVE_BY_TYPE.where(record.c.record_key > bindparam("after_key"))
_COUNTS = (
    select(object_type.c.name, func.count(record.c.record_key).label("live"))
    .join_from(
        object_type,
        record,
        (record.c.account_id == object_type.c.account_id)
        & (record.c.object_type == object_type.c.name)
        & not_(record.c.deleted),
        isouter=True,
    )
    .where(object_type.c.account_id == bindparam("of_account"))
    .group_by(object_type.c.name)
)


class SqlRecords(SqlBase):
    """The reading half of `RecordStore`."""

    def get_records(self, account_id: str, object_type: str, keys: Sequence[str]) -> list[Record]:
        """See `RecordStore.get_records`."""
        check_text("object_type", object_type)
        for key in keys:
            check_key(key)

        def work(connection: Connection) -> list[Record]:
            self._head(connection, account_id)
            wanted = as_json_keys(dict.fromkeys(keys))
            values = {"of_account": account_id, "of_type": object_type, "keys": wanted}
            return [_record(row) for row in connection.execute(_BY_KEY, values)]

        return self._database.read(work)

    def scan_records(self, account_id: str, object_type: str, *, after_key: str | None, limit: int) -> list[Record]:
        """See `RecordStore.scan_records`."""
        check_text("object_type", object_type)
        check_text("after_key", after_key or "")

        def work(connection: Connection) -> list[Record]:
            self._head(connection, account_id)
            values = {"of_account": account_id, "of_type": object_type, "limit": limit}
            if after_key is None:
                return [_record(row) for row in connection.execute(_LIVE_BY_TYPE, values)]
            return [_record(row) for row in connection.execute(_LIVE_AFTER, {**values, "after_key": after_key})]

        return self._database.read(work)

    def count_records(self, account_id: str) -> dict[str, int]:
        """See `RecordStore.count_records`."""

        def work(connection: Connection) -> dict[str, int]:
            self._head(connection, account_id)
            return {row.name: row.live for row in connection.execute(_COUNTS, {"of_account": account_id})}

        return self._database.read(work)


def _record(row: Row[tuple[object, ...]]) -> Record:
    return Record(
        object_type=row.object_type,
        key=row.record_key,
        scope=row.scope,
        bucket=row.bucket,
        revision=row.revision,
        entered_revision=row.entered_revision,
        frame=row.frame,
        data_hash=row.data_hash,
        modified_at=row.modified_at,
        created_by=row.created_by or b"",
        written_by=row.written_by,
        trace_context=row.trace_context,
    )
