"""What all parts of the store use: the database, the head, the device's row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from syncline.storage.audit_models import Act
from syncline.storage.errors import AccountNotFound, DeviceNotFound
from syncline.storage.identity import random_id
from syncline.storage.limits import check_text
from syncline.storage.models import Device, DeviceAccess, DeviceState, Head
from syncline.storage.sql.database import Database
from syncline.storage.sql.tables import account_head, audit_entry, device

_ACCOUNT = account_head.c.account_id == bindparam("of_account")
_HEAD = select(account_head.c.head_revision, account_head.c.store_epoch).where(_ACCOUNT)
_TAKE_REVISIONS = (
    update(account_head)
    .where(_ACCOUNT)
    .values(head_revision=account_head.c.head_revision + bindparam("count"))
    .returning(account_head.c.head_revision)
)
_DEVICE = (
    select(device, account_head.c.head_revision, account_head.c.store_epoch)
    .join_from(account_head, device, device.c.account_id == account_head.c.account_id)
    .where(_ACCOUNT, device.c.device_uuid == bindparam("of_device"))
)
_DEVICE_LOCKED = _DEVICE.with_for_update(of=device)


@dataclass(frozen=True, slots=True)
class DeviceAtHead:
    """A device, and the head that it was read with."""

    device: Device
    head: Head


class SqlBase:
    """The database and the settings of the store."""

    def __init__(self, database: Database, *, max_rejections: int) -> None:
        self._database = database
        self._max_rejections = max_rejections

    def _head(self, connection: Connection, account_id: str) -> Head:
        """Where the account's history stands, or `AccountNotFound`."""
        check_text("account_id", account_id)
        row = connection.execute(_HEAD, {"of_account": account_id}).one_or_none()
        if row is None:
            raise AccountNotFound(account_id)
        return Head(revision=row.head_revision, store_epoch=row.store_epoch)

    def _take_revisions(self, connection: Connection, account_id: str, count: int) -> int:
        """Advance the head by `count` and answer it; the caller owns the `count` revisions up to there.

        Must be the first statement of a transaction that writes records or departures. It locks the head: whatever
        the transaction reads afterwards was committed before, and nobody commits a lower revision later (G1).
        """
        check_text("account_id", account_id)
        head = connection.execute(_TAKE_REVISIONS, {"of_account": account_id, "count": count}).scalar_one_or_none()
        if head is None:
            raise AccountNotFound(account_id)
        return int(head)

    def _device_at_head(
        self, connection: Connection, account_id: str, device_uuid: UUID, *, lock: bool = False
    ) -> DeviceAtHead:
        """The device and the head, or `AccountNotFound` or `DeviceNotFound`.

        With `lock`, which must be the transaction's first statement, others that change the device's state wait until
        this one ends.
        """
        check_text("account_id", account_id)
        statement = _DEVICE_LOCKED if lock else _DEVICE
        row = connection.execute(statement, {"of_account": account_id, "of_device": device_uuid}).one_or_none()
        if row is None:
            self._head(connection, account_id)
            raise DeviceNotFound(f"there is no device {device_uuid}")
        return DeviceAtHead(device_of(row), Head(revision=row.head_revision, store_epoch=row.store_epoch))

    def _note_act(self, connection: Connection, account_id: str, act: Act | None) -> None:
        """Keep the act, if there is one, in the transaction that does it."""
        if act is None:
            return
        row = {
            "account_id": account_id,
            "happened_at": act.happened_at,
            "entry_id": random_id(),
            "principal": act.principal,
            "credential": act.credential,
            "action": act.action,
            "subject": act.subject,
            "outcome": act.outcome,
            "details": json.dumps(dict(act.details), ensure_ascii=False),
        }
        connection.execute(insert(audit_entry), row)


def device_of(row: Row[tuple[object, ...]]) -> Device:
    """The device in a row of `device`."""
    return Device(
        device_uuid=row.device_uuid,
        state=DeviceState(row.state),
        created_at=row.created_at,
        last_contact=row.last_contact,
        stream_id=row.stream_id,
        session_id=row.session_id,
        client=row.client,
        upload_stream_id=row.upload_stream_id,
        next_change_seq=row.next_change_seq,
        settled_through=row.settled_through,
        principal=row.principal,
        access=DeviceAccess(row.access),
        upload_first=row.upload_first,
    )
