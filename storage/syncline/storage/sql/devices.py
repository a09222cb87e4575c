"""Devices, their grants, their streams."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, Update, bindparam, delete, func, select, update

from syncline.storage.identity import random_id
from syncline.storage.limits import check_text, check_texts
from syncline.storage.models import Device, DeviceAccess, DeviceState
from syncline.storage.sql.base import SqlBase, device_of
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.tables import device, device_bucket, device_position

_THIS = (device.c.account_id == bindparam("of_account"), device.c.device_uuid == bindparam("of_device"))
_TOUCH = update(device).where(*_THIS, device.c.last_contact < bindparam("now")).values(last_contact=bindparam("now"))
_TAKE_OVER = update(device).where(*_THIS, device.c.principal == "").values(principal=bindparam("new_principal"))
_OPEN_STREAM = update(device).where(*_THIS).values(stream_id=bindparam("new_stream"))
_PAGE = (
    select(device)
    .where(device.c.account_id == bindparam("of_account"))
    .order_by(device.c.device_uuid)
    .limit(bindparam("limit"))
)
_COUNT = select(func.count()).select_from(device).where(device.c.account_id == bindparam("of_account"))
_PAGE_AFTER = _PAGE.where(device.c.device_uuid > bindparam("after"))

_GRANTS = select(device_bucket.c.bucket, device_bucket.c.grant_id).where(
    device_bucket.c.account_id == bindparam("of_account"), device_bucket.c.device_uuid == bindparam("of_device")
)
# Whoever opens a queue waits for the device's row with the snapshot taken. A row that has changed meanwhile makes it
# begin anew; else it would store positions of a bucket that is gone.
_CHANGE_NOTHING = update(device).where(*_THIS).values(stream_id=device.c.stream_id)
_REVOKE = [
    delete(table).where(
        table.c.account_id == bindparam("of_account"),
        table.c.device_uuid == bindparam("of_device"),
        one_of_keys("buckets", table.c.bucket),
    )
    for table in (device_bucket, device_position)
]


class SqlDevices(SqlBase):
    """`DeviceStore`."""

    def register_device(self, account_id: str, device_uuid: UUID, *, now: int, principal: str = "") -> Device:
        """See `DeviceStore.register_device`."""
        check_text("principal", principal)
        return self._database.write(
            lambda connection: self._register(connection, account_id, device_uuid, now, principal)
        )

    def get_device(self, account_id: str, device_uuid: UUID) -> Device:
        """See `DeviceStore.get_device`."""
        return self._database.read(lambda connection: self._device_at_head(connection, account_id, device_uuid).device)

    def list_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[Device]:
        """See `DeviceStore.list_devices`."""
        return self._database.read(lambda connection: self._page(connection, account_id, after, limit))

    def count_devices(self, account_id: str) -> int:
        """See `DeviceStore.count_devices`."""

        def work(connection: Connection) -> int:
            self._head(connection, account_id)
            return int(connection.execute(_COUNT, {"of_account": account_id}).scalar_one())

        return self._database.read(work)

    def touch_device(self, account_id: str, device_uuid: UUID, *, now: int) -> None:
        """See `DeviceStore.touch_device`."""
        self._update_device(account_id, device_uuid, _TOUCH, now=now)

    def open_stream(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """See `DeviceStore.open_stream`."""
        self._update_device(account_id, device_uuid, _OPEN_STREAM, new_stream=stream_id)

    def grant_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """See `DeviceStore.grant_buckets`."""
        check_texts("buckets", buckets)

        def work(connection: Connection) -> None:
            self._device_at_head(connection, account_id, device_uuid, lock=True)
            self._insert_grants(connection, account_id, device_uuid, buckets)

        self._database.write(work)

    def revoke_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """See `DeviceStore.revoke_buckets`."""
        check_texts("buckets", buckets)

        def work(connection: Connection) -> None:
            self._device_at_head(connection, account_id, device_uuid, lock=True)
            this = {"of_account": account_id, "of_device": device_uuid}
            connection.execute(_CHANGE_NOTHING, this)
            for statement in _REVOKE:
                connection.execute(statement, {**this, "buckets": as_json_keys(buckets)})

        self._database.write(work)

    def list_grants(self, account_id: str, device_uuid: UUID) -> dict[str, int]:
        """See `DeviceStore.list_grants`."""

        def work(connection: Connection) -> dict[str, int]:
            self._device_at_head(connection, account_id, device_uuid)
            return self._grants(connection, account_id, device_uuid)

        return self._database.read(work)

    def _page(self, connection: Connection, account_id: str, after: UUID | None, limit: int) -> list[Device]:
        self._head(connection, account_id)
        values = {"of_account": account_id, "limit": limit}
        if after is None:
            return [device_of(row) for row in connection.execute(_PAGE, values)]
        return [device_of(row) for row in connection.execute(_PAGE_AFTER, {**values, "after": after})]

    def _register(self, connection: Connection, account_id: str, device_uuid: UUID, now: int, principal: str) -> Device:
        self._head(connection, account_id)
        row = {
            "account_id": account_id,
            "device_uuid": device_uuid,
            "state": DeviceState.ACTIVE.value,
            "created_at": now,
            "last_contact": now,
            "stream_id": 0,
            "session_id": "",
            "client": "",
            "upload_stream_id": 0,
            "next_change_seq": 1,
            "settled_through": 0,
            "principal": principal,
            "access": DeviceAccess.ENABLED.value,
            "upload_first": False,
        }
        if self._database.insert_if_new(connection, device, row):
            self._insert_grants(connection, account_id, device_uuid, [""])
        elif principal:
            this = {"of_account": account_id, "of_device": device_uuid, "new_principal": principal}
            connection.execute(_TAKE_OVER, this)
        return self._device_at_head(connection, account_id, device_uuid).device

    def _insert_grants(
        self, connection: Connection, account_id: str, device_uuid: UUID, buckets: Sequence[str]
    ) -> None:
        rows = [
            {"account_id": account_id, "device_uuid": device_uuid, "bucket": bucket, "grant_id": random_id()}
            for bucket in dict.fromkeys(buckets)
        ]
        self._database.insert_new(connection, device_bucket, rows)

    def _grants(self, connection: Connection, account_id: str, device_uuid: UUID) -> dict[str, int]:
        found = connection.execute(_GRANTS, {"of_account": account_id, "of_device": device_uuid})
        return {row.bucket: row.grant_id for row in found}

    def _update_device(self, account_id: str, device_uuid: UUID, statement: Update, **values: int) -> None:
        """Update the device's row, or raise `DeviceNotFound`."""
        check_text("account_id", account_id)

        def work(connection: Connection) -> None:
            parameters = {"of_account": account_id, "of_device": device_uuid, **values}
            if not connection.execute(statement, parameters).rowcount:
                self._device_at_head(connection, account_id, device_uuid)

        self._database.write(work)
