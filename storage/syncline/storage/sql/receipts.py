"""Receipts: what became of the changes of a device."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, exists, select

from syncline.data.changes import Verdict
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import (
    number_values,
    numbers_among,
    uuid_bounds,
    uuid_values,
    uuids_among,
    uuids_between,
)
from syncline.storage.sql.packing import pack_refusal, unpack_refusal
from syncline.storage.sql.tables import upload_receipt
from syncline.storage.upload_models import Receipt

_OF_ACCOUNT = select(upload_receipt).where(upload_receipt.c.account_id == bindparam("of_account"))
_IS_DEVICE = upload_receipt.c.device_uuid == bindparam("of_device")
_BY_SEQ = _OF_ACCOUNT.where(_IS_DEVICE, *numbers_among("seqs", upload_receipt.c.change_seq))
# Put so that the device is no condition for an index: databases that know little of the table would read all of the
# device through the other one.
_ANY_BETWEEN = select(
    exists().where(
        upload_receipt.c.account_id == bindparam("of_account"),
        *uuids_between("changes", upload_receipt.c.change_uuid),
    )
)
_BY_UUID = _OF_ACCOUNT.where(_IS_DEVICE.is_(True), *uuids_among("changes", upload_receipt.c.change_uuid))


class SqlReceipts(SqlBase):
    """Looking receipts up, and leaving them (G6)."""

    def _receipts_by_seq(
        self, connection: Connection, account_id: str, device_uuid: UUID, seqs: Collection[int]
    ) -> dict[int, Receipt]:
        """The device's receipts under these numbers."""
        if not seqs:
            return {}
        values = {"of_account": account_id, "of_device": device_uuid, **number_values("seqs", seqs)}
        return {row.change_seq: _receipt(row) for row in connection.execute(_BY_SEQ, values)}

    def _receipts_by_uuid(
        self, connection: Connection, account_id: str, device_uuid: UUID, uuids: Collection[bytes]
    ) -> dict[bytes, Receipt]:
        """The device's receipts of these changes."""
        if not uuids:
            return {}
        # UUIDs that are made one after the other lie close together, so that new ones lie where nothing is yet.
        between = {"of_account": account_id, **uuid_bounds("changes", uuids)}
        if not connection.execute(_ANY_BETWEEN, between).scalar_one():
            return {}
        values = {"of_account": account_id, "of_device": device_uuid, **uuid_values("changes", uuids)}
        return {row.change_uuid.bytes: _receipt(row) for row in connection.execute(_BY_UUID, values)}

    def _insert_receipts(
        self, connection: Connection, account_id: str, device_uuid: UUID, receipts: Iterable[Receipt], now: int
    ) -> None:
        rows = [
            (
                receipt.change_seq,
                receipt.change_uuid,
                receipt.payload_hash,
                receipt.verdict.value,
                receipt.revision,
                None if receipt.refusal is None else pack_refusal(receipt.refusal),
            )
            for receipt in receipts
        ]
        self._database.insert_receipts(connection, account_id, device_uuid, rows, decided_at=now)


def _receipt(row: Row[tuple[object, ...]]) -> Receipt:
    return Receipt(
        change_seq=row.change_seq,
        change_uuid=row.change_uuid.bytes,
        payload_hash=row.payload_hash,
        verdict=Verdict(row.verdict),
        revision=row.revision,
        refusal=None if row.refusal is None else unpack_refusal(row.refusal),
    )
