"""The conflict log."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import product
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, select

from syncline.data.changes import Operation, Verdict
from syncline.data.schema import ConflictPolicy
from syncline.storage.device_access import check_access
from syncline.storage.limits import check_text
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import uuid_values, uuids_among
from syncline.storage.sql.tables import conflict, device_bucket
from syncline.storage.upload_models import Conflict, ConflictNote

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_DEVICE: BindParameter[UUID] = bindparam("of_device")
_LAST_ID = (1 << 63) - 1

# The device is no condition for an index: see `receipts`.
_OF_CHANGES = select(conflict).where(
    conflict.c.account_id == _OF_ACCOUNT,
    (conflict.c.device_uuid == _OF_DEVICE).is_(True),
    *uuids_among("changes", conflict.c.change_uuid),
)
_GRANTED = select(device_bucket.c.bucket).where(
    device_bucket.c.account_id == _OF_ACCOUNT, device_bucket.c.device_uuid == _OF_DEVICE
)


def _page(*, all_devices: bool, of_type: bool, of_key: bool) -> Select[tuple[object, ...]]:
    page = select(conflict).where(
        conflict.c.account_id == _OF_ACCOUNT,
        conflict.c.bucket.in_(_GRANTED) if all_devices else conflict.c.device_uuid == _OF_DEVICE,
        conflict.c.conflict_id < bindparam("before"),
    )
    if of_type:
        page = page.where(conflict.c.object_type == bindparam("of_type"))
    if of_key:
        page = page.where(conflict.c.record_key == bindparam("of_key"))
    return page.order_by(conflict.c.conflict_id.desc()).limit(bindparam("limit"))


_PAGES = {
    choice: _page(all_devices=choice[0], of_type=choice[1], of_key=choice[2])
    for choice in product((False, True), repeat=3)
}
"""By: of all devices? of one object type? of one key?"""


class SqlConflicts(SqlBase):
    """Writing and reading the log."""

    def list_conflicts(
        self,
        account_id: str,
        device_uuid: UUID,
        *,
        all_devices: bool,
        object_type: str | None,
        key: str | None,
        before_id: int | None,
        limit: int,
    ) -> list[Conflict]:
        """See `UploadStore.list_conflicts`."""
        check_text("object_type", object_type or "")
        check_text("key", key or "")
        statement = _PAGES[all_devices, object_type is not None, key is not None]
        values = {
            "of_account": account_id,
            "of_device": device_uuid,
            "of_type": object_type,
            "of_key": key,
            "before": _LAST_ID if before_id is None else before_id,
            "limit": limit,
        }

        def work(connection: Connection) -> list[Conflict]:
            found = self._device_at_head(connection, account_id, device_uuid)
            check_access(account_id, found.device, found.head)
            return [_conflict(row) for row in connection.execute(statement, values)]

        return self._database.read(work)

    def _conflicts_of_changes(
        self, connection: Connection, account_id: str, device_uuid: UUID, uuids: Collection[bytes]
    ) -> dict[bytes, Conflict]:
        """The entries of these changes of the device."""
        if not uuids:
            return {}
        values = {"of_account": account_id, "of_device": device_uuid, **uuid_values("changes", uuids)}
        found = [_conflict(row) for row in connection.execute(_OF_CHANGES, values)]
        return {entry.change_uuid: entry for entry in found}

    def _newest_conflict(
        self, connection: Connection, account_id: str, device_uuid: UUID, item: tuple[str, str]
    ) -> Conflict | None:
        """The newest entry of the device about this object type and key."""
        values = {
            "of_account": account_id,
            "of_device": device_uuid,
            "of_type": item[0],
            "of_key": item[1],
            "before": _LAST_ID,
            "limit": 1,
        }
        row = connection.execute(_PAGES[False, True, True], values).one_or_none()
        return None if row is None else _conflict(row)

    def _insert_conflicts(self, connection: Connection, account_id: str, entries: Iterable[Conflict]) -> None:
        rows = [
            {
                "account_id": account_id,
                "conflict_id": entry.conflict_id,
                "object_type": entry.object_type,
                "record_key": entry.key,
                "bucket": entry.bucket,
                "device_uuid": entry.device_uuid,
                "change_uuid": UUID(bytes=entry.change_uuid),
                "operation": entry.operation.value,
                "verdict": entry.verdict.value,
                "revision": entry.revision,
                "decided_at": entry.decided_at,
                "policy": entry.note.policy.value,
                "fields": json.dumps(entry.note.fields),
                "device_data": entry.note.device_data,
                "server_data": entry.note.server_data,
                "result_data": entry.note.result_data,
            }
            for entry in entries
        ]
        connection.execute(conflict.insert(), rows)


def _conflict(row: Row[tuple[object, ...]]) -> Conflict:
    return Conflict(
        conflict_id=row.conflict_id,
        object_type=row.object_type,
        key=row.record_key,
        bucket=row.bucket,
        device_uuid=row.device_uuid,
        change_uuid=row.change_uuid.bytes,
        operation=Operation(row.operation),
        verdict=Verdict(row.verdict),
        revision=row.revision,
        decided_at=row.decided_at,
        note=ConflictNote(
            policy=ConflictPolicy(row.policy),
            fields=tuple(json.loads(row.fields)),
            device_data=row.device_data,
            server_data=row.server_data,
            result_data=row.result_data,
        ),
    )
