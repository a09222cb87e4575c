"""Receipts: what became of the changes of a device.

They come by the message and are looked up by the message, so a row may have as many as a message left: a row for each
would be much of what an upload costs. UUIDs that are made one after the other ascend, and those of two messages lie
apart, so few rows are read for a message. Receipts of a message whose UUIDs do not ascend get a row each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.json_rows import uuid_bounds, uuid_values, uuids_among, uuids_between
from syncline.storage.sql.packing import RECEIPT_BYTES, pack_receipts, pack_refusals, unpack_receipts
from syncline.storage.sql.tables import device, upload_receipt
from syncline.storage.upload_models import Receipt

_IS_PACK = upload_receipt.c.first_seq < upload_receipt.c.last_seq
_OF_ACCOUNT = upload_receipt.c.account_id == bindparam("of_account")
_IS_DEVICE = upload_receipt.c.device_uuid == bindparam("of_device")
_OF_DEVICE = (_OF_ACCOUNT, _IS_DEVICE)
_RECEIPTS = select(upload_receipt.c.receipts, upload_receipt.c.refusals).where(*_OF_DEVICE)
_BY_SEQ = _RECEIPTS.where(
    upload_receipt.c.last_seq >= bindparam("first"), upload_receipt.c.first_seq <= bindparam("last")
)
_PACKS_BY_UUID = _RECEIPTS.where(
    _IS_PACK,
    upload_receipt.c.last_uuid >= bindparam("changes_first"),
    upload_receipt.c.first_uuid <= bindparam("changes_last"),
).with_hint(upload_receipt, "INDEXED BY upload_receipt_pack_idx", "sqlite")
# Put so that the device is no condition for an index, or with a hint: databases that know little of the table would
# read all of the device through the primary key.
_ANY_BETWEEN = select(
    select(upload_receipt.c.last_uuid)
    .where(_OF_ACCOUNT, *uuids_between("changes", upload_receipt.c.last_uuid))
    .with_hint(upload_receipt, "INDEXED BY upload_receipt_uuid_idx", "sqlite")
    .exists()
)
_BY_UUID = select(upload_receipt.c.receipts, upload_receipt.c.refusals).where(
    _OF_ACCOUNT, _IS_DEVICE.is_(True), *uuids_among("changes", upload_receipt.c.last_uuid)
)

_IS_OLD = (_OF_ACCOUNT, upload_receipt.c.decided_at < bindparam("decided_before"))
_SETTLED = (
    select(device.c.settled_through)
    .where(device.c.account_id == upload_receipt.c.account_id, device.c.device_uuid == upload_receipt.c.device_uuid)
    .scalar_subquery()
)
_SETTLED_BYTES = select(func.coalesce(func.sum(func.length(upload_receipt.c.receipts)), 0)).where(
    *_IS_OLD, upload_receipt.c.last_seq <= _SETTLED
)
_FORGET_SETTLED = delete(upload_receipt).where(*_IS_OLD, upload_receipt.c.last_seq <= _SETTLED)
_PARTLY_SETTLED = select(upload_receipt, _SETTLED.label("settled_through")).where(
    *_IS_OLD, upload_receipt.c.last_seq > _SETTLED, upload_receipt.c.first_seq <= _SETTLED
)
_FORGET = delete(upload_receipt).where(*_OF_DEVICE, upload_receipt.c.last_seq == bindparam("of_last_seq"))


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose receipts they are, and when they were decided."""

    account_id: str
    device_uuid: UUID
    decided_at: int


class SqlReceipts(SqlBase):
    """Looking receipts up, leaving them, and forgetting them (G6)."""

    def _receipts_by_seq(
        self, connection: Connection, account_id: str, device_uuid: UUID, seqs: Collection[int]
    ) -> dict[int, Receipt]:
        """The device's receipts under these numbers."""
        if not seqs:
            return {}
        values = {"of_account": account_id, "of_device": device_uuid, "first": min(seqs), "last": max(seqs)}
        wanted = set(seqs)
        found = _unpacked(connection.execute(_BY_SEQ, values).all())
        return {receipt.change_seq: receipt for receipt in found if receipt.change_seq in wanted}

    def _receipts_by_uuid(
        self, connection: Connection, account_id: str, device_uuid: UUID, uuids: Collection[bytes]
    ) -> dict[bytes, Receipt]:
        """The device's receipts of these changes."""
        if not uuids:
            return {}
        of_device = {"of_account": account_id, "of_device": device_uuid}
        bounds = {**of_device, **uuid_bounds("changes", uuids)}
        rows = list(connection.execute(_PACKS_BY_UUID, bounds).all())
        # Of new changes, mostly, nothing lies between the first and the last.
        if connection.execute(_ANY_BETWEEN, bounds).scalar_one():
            rows += connection.execute(_BY_UUID, {**of_device, **uuid_values("changes", uuids)}).all()
        wanted = set(uuids)
        return {receipt.change_uuid: receipt for receipt in _unpacked(rows) if receipt.change_uuid in wanted}

    def _insert_receipts(
        self, connection: Connection, account_id: str, device_uuid: UUID, receipts: Sequence[Receipt], now: int
    ) -> None:
        """Leave the receipts of a message, in the order of their numbers."""
        ascend = all(before.change_uuid < after.change_uuid for before, after in pairwise(receipts))
        packs = [receipts] if ascend else [[receipt] for receipt in receipts]
        place = _Place(account_id, device_uuid, now)
        connection.execute(insert(upload_receipt), [_row(place, pack) for pack in packs])

    def _forget_receipts(self, connection: Connection, account_id: str, *, decided_before: int) -> int:
        """Remove old receipts of which their device has told that it settled them; how many were there?"""
        values = {"of_account": account_id, "decided_before": decided_before}
        forgotten = connection.execute(_SETTLED_BYTES, values).scalar_one() // RECEIPT_BYTES
        connection.execute(_FORGET_SETTLED, values)
        for row in connection.execute(_PARTLY_SETTLED, values).all():
            receipts = list(unpack_receipts(row.receipts, row.refusals))
            kept = [receipt for receipt in receipts if receipt.change_seq > row.settled_through]
            forgotten += len(receipts) - len(kept)
            named = {"of_account": account_id, "of_device": row.device_uuid, "of_last_seq": row.last_seq}
            connection.execute(_FORGET, named)
            connection.execute(insert(upload_receipt), _row(_Place(account_id, row.device_uuid, row.decided_at), kept))
        return int(forgotten)


def _row(place: _Place, receipts: Sequence[Receipt]) -> dict[str, Any]:
    """The row of these receipts; they ascend by number and by UUID."""
    first, last = receipts[0], receipts[-1]
    return {
        "account_id": place.account_id,
        "device_uuid": place.device_uuid,
        "last_seq": last.change_seq,
        "first_seq": first.change_seq,
        "first_uuid": UUID(bytes=first.change_uuid),
        "last_uuid": UUID(bytes=last.change_uuid),
        "decided_at": place.decided_at,
        "refusals": pack_refusals(receipts),
        "receipts": pack_receipts(receipts),
    }


def _unpacked(rows: Iterable[Any]) -> Iterator[Receipt]:
    for packed, refusals in rows:
        yield from unpack_receipts(packed, refusals)
