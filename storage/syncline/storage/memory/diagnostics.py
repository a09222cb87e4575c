"""Where a record stands on its way to a device, in the model."""

from __future__ import annotations

from uuid import UUID

from syncline.data.changes import Verdict
from syncline.storage.delivery_models import (
    RECENT_CHANGES,
    RECENT_REQUESTS,
    Bringer,
    DeliveryFacts,
    RefusedChange,
    RefusedItem,
    StandingRecord,
)
from syncline.storage.limits import check_text
from syncline.storage.memory.state import AccountState, DeviceRow, ItemName, MemoryState, RequestRow
from syncline.storage.memory.sync_requests import shown
from syncline.storage.models import Feed, Record, Session
from syncline.storage.request_models import Detail, Operation


class MemoryDiagnostics(MemoryState):
    """`DiagnosticsStore`."""

    def read_delivery(self, account_id: str, device_uuid: UUID, object_type: str, key: str) -> DeliveryFacts:
        """See `DiagnosticsStore.read_delivery`."""
        check_text("object_type", object_type)
        check_text("key", key)
        with self._transaction(account_id) as account:
            item = (object_type, key)
            kind = account.schema.object_type(object_type)
            record = account.records.get(item)
            departures = {feed: rows[item].revision for feed, rows in account.departures.items() if item in rows}
            row = account.devices.get(device_uuid)
            feeds = set(departures) | ({Feed(record.scope, record.bucket)} if record is not None else set())
            return DeliveryFacts(
                head=account.head,
                scope=None if kind is None else kind.scope,
                record=None if record is None else _standing(record),
                device=None if row is None else row.device,
                departures=departures,
                grants={} if row is None else dict(row.grants),
                positions={} if row is None else {feed: row.positions[feed] for feed in feeds & row.positions.keys()},
                gc_floor=0 if record is None else account.floors.get(Feed(record.scope, record.bucket), 0),
                session=None if row is None else _session(account, row),
                refused_item=None if row is None else _refused_item(account, row, item),
                refused_change=None if row is None else _refused_change(row, item),
                conflict=next(
                    (
                        entry
                        for entry in reversed(account.conflicts)
                        if entry.device_uuid == device_uuid and (entry.object_type, entry.key) == item
                    ),
                    None,
                ),
                bringers=_bringers(account, item),
            )


def _standing(record: Record) -> StandingRecord:
    return StandingRecord(
        feed=Feed(record.scope, record.bucket),
        revision=record.revision,
        entered_revision=record.entered_revision,
        deleted=record.frame is None,
        modified_at=record.modified_at,
        written_by=record.written_by,
        trace_context=record.trace_context,
    )


def _session(account: AccountState, row: DeviceRow) -> Session | None:
    kept = account.sessions.get(row.device.session_id)
    return None if kept is None else kept.session


def _refused_item(account: AccountState, row: DeviceRow, item: ItemName) -> RefusedItem | None:
    kept = row.rejections.get(item)
    if kept is None:
        return None
    session = account.sessions.get(kept.session_id)
    return RefusedItem(kept.rejection, 0 if session is None else session.session.created_at)


def _refused_change(row: DeviceRow, item: ItemName) -> RefusedChange | None:
    for change_seq in sorted(row.receipts, reverse=True):
        receipt, decided_at = row.receipts[change_seq]
        if change_seq < row.device.next_change_seq - RECENT_CHANGES:
            return None
        if receipt.verdict is Verdict.REJECTED and receipt.refusal is not None and receipt.item == item:
            return RefusedChange(change_seq, receipt.refusal, decided_at)
    return None


def _bringers(account: AccountState, item: ItemName) -> tuple[Bringer, ...]:
    """What `DeliveryFacts.bringers` says."""
    newest = sorted(account.requests.values(), key=lambda row: row.request.request_id)
    newest.sort(key=lambda row: row.request.created_at, reverse=True)
    reading = [row for row in newest if row.request.parent_id is None and row.request.operation is Operation.READ]
    of_enrollments = {
        max((row.request.created_at, row.request.request_id) for row in reading if row.request.enrollment_id == each)
        for each in account.enrollments.keys() & {row.request.enrollment_id for row in reading}
    }
    recent = {row.request.request_id for row in newest[:RECENT_REQUESTS] if row.request.enrollment_id is None}
    return tuple(
        _bringer(account, row, item)
        for row in reading
        if row.request.request_id in recent or (row.request.created_at, row.request.request_id) in of_enrollments
    )


def _bringer(account: AccountState, row: RequestRow, item: ItemName) -> Bringer:
    enrollment_id = row.request.enrollment_id
    family = [row, *account.batches(row.request.request_id)]
    known = account.sources.get(enrollment_id, {}) if enrollment_id is not None else {}
    has_type = any(item[0] in member.counts for member in family) or any(name[0] == item[0] for name in known)
    details = [detail for member in family for detail in member.details if _is_of(detail, item)]
    return Bringer(
        request=shown(account, row),
        enrollment_name="" if enrollment_id is None else account.enrollments[enrollment_id].name,
        has_type=has_type,
        detail=details[-1] if details else None,
    )


def _is_of(detail: Detail, item: ItemName) -> bool:
    return (detail.object_type, detail.source_key) == item
