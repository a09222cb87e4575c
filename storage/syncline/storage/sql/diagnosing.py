"""Where a record stands on its way to a device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, select

from syncline.storage.delivery_models import (
    RECENT_CHANGES,
    DeliveryFacts,
    RefusedChange,
    RefusedItem,
    StandingRecord,
)
from syncline.storage.errors import SessionNotFound
from syncline.storage.limits import check_text
from syncline.storage.models import Device, Feed, Position, Session
from syncline.storage.sql.base import device_of
from syncline.storage.sql.bringers import SqlBringers
from syncline.storage.sql.conflicts import SqlConflicts
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.packing import refused_items
from syncline.storage.sql.positions import SqlPositions
from syncline.storage.sql.rejections import SqlRejections
from syncline.storage.sql.schemas import SqlSchemas
from syncline.storage.sql.sessions import SqlSessions
from syncline.storage.sql.tables import departure, device, record, upload_receipt
from syncline.storage.sql.write_plan import ItemName

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_DEVICE: BindParameter[UUID] = bindparam("of_device")
_OF_TYPE: BindParameter[str] = bindparam("of_type")
_OF_KEY: BindParameter[str] = bindparam("of_key")

_RECORD: Select[Any] = select(
    record.c.scope,
    record.c.bucket,
    record.c.revision,
    record.c.entered_revision,
    record.c.deleted,
    record.c.modified_at,
    record.c.written_by,
    record.c.trace_context,
).where(record.c.account_id == _OF_ACCOUNT, record.c.object_type == _OF_TYPE, record.c.record_key == _OF_KEY)
_DEPARTURES = select(departure.c.scope, departure.c.bucket, departure.c.revision).where(
    departure.c.account_id == _OF_ACCOUNT, departure.c.object_type == _OF_TYPE, departure.c.record_key == _OF_KEY
)
_DEVICE = select(device).where(device.c.account_id == _OF_ACCOUNT, device.c.device_uuid == _OF_DEVICE)
_REFUSALS = (
    select(upload_receipt.c.refusals, upload_receipt.c.decided_at)
    .where(
        upload_receipt.c.account_id == _OF_ACCOUNT,
        upload_receipt.c.device_uuid == _OF_DEVICE,
        upload_receipt.c.last_seq >= bindparam("from_seq"),
        upload_receipt.c.refusals.is_not(None),
    )
    .order_by(upload_receipt.c.last_seq.desc())
)


class SqlDiagnosing(SqlDevices, SqlPositions, SqlRejections, SqlSchemas, SqlSessions, SqlConflicts, SqlBringers):
    """`DiagnosticsStore`."""

    def read_delivery(self, account_id: str, device_uuid: UUID, object_type: str, key: str) -> DeliveryFacts:
        """See `DiagnosticsStore.read_delivery`."""
        check_text("object_type", object_type)
        check_text("key", key)
        item = (object_type, key)
        of_item = {"of_account": account_id, "of_type": object_type, "of_key": key}

        def work(connection: Connection) -> DeliveryFacts:
            head = self._head(connection, account_id)
            row = connection.execute(_RECORD, of_item).one_or_none()
            standing = None if row is None else _standing(row)
            departures = {
                Feed(scope, bucket): revision for scope, bucket, revision in connection.execute(_DEPARTURES, of_item)
            }
            feeds = [*departures, *([] if standing is None else [standing.feed])]
            floors = {} if standing is None else self._floors(connection, account_id, [standing.feed])
            facts = DeliveryFacts(
                head=head,
                scope=self._scopes_of_types(connection, account_id, [object_type]).get(object_type),
                record=standing,
                device=None,
                departures=departures,
                gc_floor=0 if standing is None else floors.get(standing.feed, 0),
                bringers=self._bringers(connection, account_id, item),
            )
            found = connection.execute(_DEVICE, {"of_account": account_id, "of_device": device_uuid}).one_or_none()
            if found is None:
                return facts
            return self._with_device(connection, account_id, device_of(found), item, feeds, facts)

        return self._database.read(work)

    def _with_device(
        self,
        connection: Connection,
        account_id: str,
        found: Device,
        item: ItemName,
        feeds: list[Feed],
        facts: DeliveryFacts,
    ) -> DeliveryFacts:
        """The facts with those of the device."""
        device_uuid = found.device_uuid
        positions: dict[Feed, Position] = {}
        if feeds:
            positions = self._positions_of_feeds(connection, account_id, device_uuid, feeds)
        return replace(
            facts,
            device=found,
            grants=self._grants(connection, account_id, device_uuid),
            positions=positions,
            session=self._kept_session(connection, account_id, device_uuid, found.session_id),
            refused_item=self._refused_item(connection, account_id, device_uuid, item),
            refused_change=_refused_change(connection, account_id, found, item),
            conflict=self._newest_conflict(connection, account_id, device_uuid, item),
        )

    def _kept_session(
        self, connection: Connection, account_id: str, device_uuid: UUID, session_id: str
    ) -> Session | None:
        try:
            return self._session(connection, account_id, device_uuid, session_id)
        except SessionNotFound:
            return None

    def _refused_item(
        self, connection: Connection, account_id: str, device_uuid: UUID, item: ItemName
    ) -> RefusedItem | None:
        # All of them are read: a device has at most 1,000, and mostly none.
        kept = self._rejections(connection, account_id, device_uuid).get(item)
        if kept is None:
            return None
        session = self._kept_session(connection, account_id, device_uuid, kept.session_id)
        return RefusedItem(kept.rejection, 0 if session is None else session.created_at)


def _standing(row: Row[Any]) -> StandingRecord:
    return StandingRecord(
        feed=Feed(row.scope, row.bucket),
        revision=row.revision,
        entered_revision=row.entered_revision,
        deleted=row.deleted,
        modified_at=row.modified_at,
        written_by=row.written_by,
        trace_context=row.trace_context,
    )


def _refused_change(connection: Connection, account_id: str, found: Device, item: ItemName) -> RefusedChange | None:
    """The newest of the device's changes of the item that was rejected."""
    from_seq = found.next_change_seq - RECENT_CHANGES
    values = {"of_account": account_id, "of_device": found.device_uuid, "from_seq": from_seq}
    for refusals, decided_at in connection.execute(_REFUSALS, values):
        seqs = [(seq, refusal) for seq, refusal, name in refused_items(refusals) if name == item and seq >= from_seq]
        if seqs:
            change_seq, refusal = max(seqs, key=lambda one: one[0])
            return RefusedChange(change_seq, refusal, decided_at)
    return None
