"""What people do to devices: look at them, let them in or not, have them wiped, forget them."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, bindparam, delete, exists, func, select, update

from syncline.storage.audit_models import Act
from syncline.storage.errors import WipeNotAsked
from syncline.storage.limits import check_act
from syncline.storage.models import Device, DeviceAccess, DeviceReport, DeviceState, Feed
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.packing import count_intervals
from syncline.storage.sql.tables import (
    departure,
    device,
    device_bucket,
    device_position,
    object_type,
    record,
    rejection,
    session,
    upload_receipt,
)

_OF_ACCOUNT = bindparam("of_account", type_=device.c.account_id.type)
_THIS = (device.c.account_id == _OF_ACCOUNT, device.c.device_uuid == bindparam("of_device"))
_SET_ACCESS = (
    update(device).where(*_THIS).values(access=bindparam("new_access"), upload_first=bindparam("new_upload_first"))
)
_SET_WIPED = update(device).where(*_THIS).values(access=DeviceAccess.WIPED.value, state=DeviceState.EXPIRED.value)


def _rows_of_device(table: Table) -> Any:
    return delete(table).where(table.c.account_id == _OF_ACCOUNT, table.c.device_uuid == bindparam("of_device"))


_FORGET_POSITIONS = _rows_of_device(device_position)
_FORGET = [
    _rows_of_device(table) for table in (device_bucket, device_position, rejection, session, upload_receipt, device)
]


def _of_devices(table: Table) -> tuple[Any, ...]:
    """The rows of a page of devices."""
    return (
        table.c.account_id == _OF_ACCOUNT,
        table.c.device_uuid >= bindparam("first"),
        table.c.device_uuid <= bindparam("last"),
    )


_POSITIONS = select(device_position).where(
    *_of_devices(device_position),
    exists().where(
        object_type.c.account_id == device_position.c.account_id, object_type.c.scope == device_position.c.scope
    ),
)
_REJECTIONS = (
    select(rejection.c.device_uuid, rejection.c.parked, func.count().label("number"))
    .where(*_of_devices(rejection))
    .group_by(rejection.c.device_uuid, rejection.c.parked)
)
_NEWEST = [
    select(table.c.revision)
    .where(
        table.c.account_id == _OF_ACCOUNT,
        table.c.scope == bindparam("of_scope"),
        table.c.bucket == bindparam("of_bucket"),
    )
    .order_by(table.c.revision.desc())
    .limit(1)
    for table in (record, departure)
]


class SqlDeviceManaging(SqlDevices):
    """The half of `DeviceStore` that is for people."""

    def report_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[DeviceReport]:
        """See `DeviceStore.report_devices`."""

        def work(connection: Connection) -> list[DeviceReport]:
            return self._reports(connection, account_id, self._page(connection, account_id, after, limit))

        return self._database.read(work)

    def report_device(self, account_id: str, device_uuid: UUID) -> DeviceReport:
        """See `DeviceStore.report_device`."""

        def work(connection: Connection) -> DeviceReport:
            found = self._device_at_head(connection, account_id, device_uuid)
            (report,) = self._reports(connection, account_id, [found.device])
            return report

        return self._database.read(work)

    def set_access(
        self, account_id: str, device_uuid: UUID, access: DeviceAccess, *, upload_first: bool = False, act: Act
    ) -> Device:
        """See `DeviceStore.set_access`."""
        check_act(act)

        def work(connection: Connection) -> Device:
            self._device_at_head(connection, account_id, device_uuid, lock=True)
            this = {"of_account": account_id, "of_device": device_uuid}
            connection.execute(_SET_ACCESS, {**this, "new_access": access.value, "new_upload_first": upload_first})
            self._note_act(connection, account_id, act)
            return self._device_at_head(connection, account_id, device_uuid).device

        return self._database.write(work)

    def confirm_wipe(self, account_id: str, device_uuid: UUID, *, act: Act) -> Device:
        """See `DeviceStore.confirm_wipe`."""
        check_act(act)

        def work(connection: Connection) -> Device:
            known = self._device_at_head(connection, account_id, device_uuid, lock=True).device
            if known.access is DeviceAccess.WIPED:
                return known
            if known.access is not DeviceAccess.WIPING:
                raise WipeNotAsked("the device was not to remove its copy")
            this = {"of_account": account_id, "of_device": device_uuid}
            connection.execute(_SET_WIPED, this)
            connection.execute(_FORGET_POSITIONS, this)
            self._note_act(connection, account_id, act)
            return self._device_at_head(connection, account_id, device_uuid).device

        return self._database.write(work)

    def forget_device(self, account_id: str, device_uuid: UUID, *, act: Act) -> None:
        """See `DeviceStore.forget_device`."""
        check_act(act)

        def work(connection: Connection) -> None:
            # The head first: an upload of the device takes it before it leaves receipts.
            self._take_revisions(connection, account_id, 0)
            self._device_at_head(connection, account_id, device_uuid, lock=True)
            for statement in _FORGET:
                connection.execute(statement, {"of_account": account_id, "of_device": device_uuid})
            self._note_act(connection, account_id, act)

        self._database.write(work)

    def _reports(self, connection: Connection, account_id: str, devices: list[Device]) -> list[DeviceReport]:
        """How far these devices are, which follow each other."""
        if not devices:
            return []
        values = {
            "of_account": account_id,
            "first": devices[0].device_uuid,
            "last": devices[-1].device_uuid,
        }
        newest: dict[Feed, int] = {}
        lags: dict[UUID, int] = {}
        holes = Counter[UUID]()
        for row in connection.execute(_POSITIONS, values).all():
            feed = Feed(row.scope, row.bucket)
            if feed not in newest:
                newest[feed] = self._newest(connection, account_id, feed)
            lags[row.device_uuid] = max(lags.get(row.device_uuid, 0), newest[feed] - row.acked_through)
            holes[row.device_uuid] += count_intervals(row.acked_beyond)
        refused = {(row.device_uuid, row.parked): row.number for row in connection.execute(_REJECTIONS, values)}
        return [
            DeviceReport(
                device=each,
                lag=lags.get(each.device_uuid, 0),
                holes=holes[each.device_uuid],
                refused=refused.get((each.device_uuid, False), 0),
                parked=refused.get((each.device_uuid, True), 0),
            )
            for each in devices
        ]

    def _newest(self, connection: Connection, account_id: str, feed: Feed) -> int:
        """The newest revision of the feed; 0: it is empty."""
        values = {"of_account": account_id, "of_scope": feed.scope, "of_bucket": feed.bucket}
        return max(connection.execute(statement, values).scalar_one_or_none() or 0 for statement in _NEWEST)
