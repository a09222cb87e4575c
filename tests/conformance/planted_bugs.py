"""Stores and devices with one bug each. Each stands for a mistake that was made, or was close to being made."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, case, delete, func, select, update

from syncline.data.changes import Operation, Verdict, field_text
from syncline.data.parsing import parse_object
from syncline.storage.audit_models import Act
from syncline.storage.conformance import ReferenceDevice
from syncline.storage.conformance.device_file import HeldRow
from syncline.storage.contract import Judge, RowWriter
from syncline.storage.errors import RequestNotFound
from syncline.storage.models import Collected, Feed, Position, QueueRead, RecordWrite, Session, WriteResult
from syncline.storage.request_models import BatchResult, Enrollment, Lease, RowBatch, SourceRow, SyncRequest
from syncline.storage.request_moves import is_still_due
from syncline.storage.row_plan import KnownSource, SourceName
from syncline.storage.sql.request_rows import Family, StoredRequest
from syncline.storage.sql.store import SqlStore
from syncline.storage.sql.tables import account_head, sync_request, upload_receipt
from syncline.storage.sql.write_plan import CurrentRow, ItemName
from syncline.storage.upload_models import Change, CurrentRecord, Decision, Receipt, UploadBatch, UploadOutcome

_UNLUCKY_S = 0.01
"""How long a racing bug dawdles where it is vulnerable: on a busy machine it may else be lucky in every round."""


class RevisionsFromASequence(SqlStore):
    """Revisions come from a counter outside of the transaction, as from a database's sequence."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sequence = 0
        self._sequence_lock = threading.Lock()

    def _take_revisions(self, connection: Connection, account_id: str, count: int) -> int:
        with self._sequence_lock:
            self._sequence += count
            return self._sequence

    def _write_batch(self, connection: Connection, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        result = super()._write_batch(connection, account_id, writes)
        head, last = account_head.c.head_revision, result.head_revision
        highest = case((head < last, last), else_=head)
        connection.execute(
            update(account_head).where(account_head.c.account_id == account_id).values(head_revision=highest)
        )
        return result


class HeadTakenLast(SqlStore):
    """What a write decides on is read before the head is taken."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._decided_on = threading.local()

    def _write_batch(self, connection: Connection, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        items = {(write.object_type, write.key) for write in writes}
        self._decided_on.rows = super()._current_rows(connection, account_id, items)
        time.sleep(_UNLUCKY_S)
        return super()._write_batch(connection, account_id, writes)

    def _current_rows(
        self, connection: Connection, account_id: str, items: Collection[ItemName]
    ) -> dict[ItemName, CurrentRow]:
        rows: dict[ItemName, CurrentRow] = self._decided_on.rows
        return rows


class HeadReadAfterRows(SqlStore):
    """The head is read in a later snapshot than the rows."""

    def read_queue(
        self, account_id: str, device_uuid: UUID, session: Session, cursors: Mapping[Feed, int], **options: Any
    ) -> QueueRead:
        read = super().read_queue(account_id, device_uuid, session, cursors, **options)
        time.sleep(_UNLUCKY_S)
        head = self.get_head(account_id)
        return replace(read, head=head, through=head.revision if read.complete else read.through)


class RowsReadAfterHead(SqlStore):
    """Every statement of a read has a snapshot of its own: rows may be newer than the head."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._database._reader = self._database._writer

    def _recheck(self, *arguments: Any) -> None:
        super()._recheck(*arguments)
        time.sleep(_UNLUCKY_S)


class NoDepartureFromATombstone(SqlStore):
    """A deleted record that comes to life in another bucket leaves nothing behind."""

    def _write_departures(
        self, connection: Connection, account_id: str, departures: Mapping[tuple[ItemName, Feed], Any]
    ) -> None:
        before = self._current_rows(connection, account_id, {item for item, _ in departures})
        of_live = {place: left for place, left in departures.items() if not before[place[0]].deleted}
        if of_live:
            super()._write_departures(connection, account_id, of_live)


class OldEpochHonoured(SqlStore):
    """An acknowledgement of a position epoch that the device has left counts for the feed that it was of."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._feeds_by_epoch: dict[int, Feed] = {}

    def _put_positions(
        self, connection: Connection, account_id: str, device_uuid: UUID, positions: Iterable[Position]
    ) -> None:
        positions = list(positions)
        self._feeds_by_epoch |= {position.epoch: position.feed for position in positions}
        super()._put_positions(connection, account_id, device_uuid, positions)

    def _positions_of_epochs(
        self, connection: Connection, account_id: str, device_uuid: UUID, epochs: Iterable[int]
    ) -> dict[int, Position]:
        feeds = {epoch: self._feeds_by_epoch[epoch] for epoch in epochs if epoch in self._feeds_by_epoch}
        stored = self._positions_of_feeds(connection, account_id, device_uuid, sorted(set(feeds.values())))
        return {epoch: stored[feed] for epoch, feed in feeds.items() if feed in stored}


class DepartureAtAnEqualRevision(ReferenceDevice):
    """A delete or departure takes away a row of its own revision, too."""

    def may_remove(self, held: HeldRow, revision: int) -> bool:
        return revision >= held.revision


class ReceiptsIgnored(SqlStore):
    """No receipt is left or looked up: a change that comes twice is done twice."""

    def _insert_receipts(self, *arguments: Any) -> None:
        pass


class ReceiptsReadBeforeTheLock(SqlStore):
    """Receipts are looked up before the head is taken."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._known = threading.local()

    def _upload_batch(
        self, connection: Connection, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge
    ) -> UploadOutcome:
        uuids = [change.change_uuid for change in batch.changes]
        self._known.receipts = super()._receipts_by_uuid(connection, account_id, device_uuid, uuids)
        time.sleep(_UNLUCKY_S)
        return super()._upload_batch(connection, account_id, device_uuid, batch, judge)

    def _receipts_by_uuid(self, *arguments: Any) -> dict[bytes, Receipt]:
        return dict(self._known.receipts)

    def _receipts_by_seq(self, *arguments: Any) -> dict[int, Receipt]:
        return {receipt.change_seq: receipt for receipt in self._known.receipts.values()}


class ReceiptsTrimmedByAge(SqlStore):
    """Old receipts go whether or not the device has told that it settled them."""

    def collect(self, account_id: str, *, devices_seen_before: int, now: int) -> Collected:
        collected = super().collect(account_id, devices_seen_before=devices_seen_before, now=now)
        old = upload_receipt.c.decided_at < devices_seen_before
        trim = delete(upload_receipt).where(upload_receipt.c.account_id == account_id, old)
        self._database.write(lambda connection: connection.execute(trim))
        return collected


class OldValuesOnly(SqlStore):
    """A field is contested if its value is not the one that the device saw, even if it is the one that it wants."""

    def upload(self, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        def decide(change: Change, current: CurrentRecord | None, news: bool) -> Decision:
            if change.content.operation is Operation.UPDATE and current is not None and current.frame is not None:
                data = parse_object(current.frame)
                if any(field_text(data, edit.name) != edit.old for edit in change.content.edits):
                    return Decision(Verdict.SERVER_WON)
            return judge(change, current, news)

        return super().upload(account_id, device_uuid, batch, decide)


class OwnChangesAreNews(SqlStore):
    """Whatever is above the base counts as changed by others, the device's own changes, too."""

    def upload(self, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        def decide(change: Change, current: CurrentRecord | None, _: bool) -> Decision:
            return judge(change, current, current is not None and current.revision > change.base_revision)

        return super().upload(account_id, device_uuid, batch, decide)


class LeasesNeverLost(SqlStore):
    """A worker may go on after its request was given to another one."""

    def _leased(self, connection: Connection, lease: Lease) -> Family:
        return self._locked_family(connection, lease.account_id, lease.request_id)


class ParentDecidedWithoutItsLock(SqlStore):
    """Batches that end at the same time do not see each other's end."""

    def _locked_family(self, connection: Connection, account_id: str, request_id: str) -> Family:
        stored = self._stored_request(connection, account_id, request_id, lock=True)
        parent_id = stored.request.parent_id
        parent = None if parent_id is None else self._stored_request(connection, account_id, parent_id)
        return Family(stored, parent)

    def _end_parent(self, connection: Connection, account_id: str, parent: StoredRequest, *, by: str, now: int) -> None:
        super()._end_parent(connection, account_id, parent, by=by, now=now)
        time.sleep(_UNLUCKY_S)


class SchedulesNotCompared(SqlStore):
    """A schedule is run and moved on though somebody did so since it was found to be due."""

    def _locked_if_due(self, connection: Connection, account_id: str, due: Enrollment) -> Enrollment | None:
        return self._enrollment(connection, account_id, due.enrollment_id)


class SchedulesComparedWithoutALock(SqlStore):
    """Workers that run a schedule at the same time do not see each other."""

    def _locked_if_due(self, connection: Connection, account_id: str, due: Enrollment) -> Enrollment | None:
        stored = self._enrollment(connection, account_id, due.enrollment_id)
        time.sleep(_UNLUCKY_S)
        return stored if is_still_due(stored, due) else None


class SweepBeforeTheLastBatch(SqlStore):
    """A parent does not wait for batches that have not come yet."""

    def _end_parent(self, connection: Connection, account_id: str, parent: StoredRequest, *, by: str, now: int) -> None:
        of_parent = sync_request.c.account_id == account_id, sync_request.c.parent_id == parent.request.request_id
        came = connection.execute(select(func.count()).where(*of_parent)).scalar_one()
        hasty = replace(parent, request=replace(parent.request, total_batches=came))
        super()._end_parent(connection, account_id, hasty, by=by, now=now)


class EachBatchSeesForItself(SqlStore):
    """What a batch saw is noted as seen by the batch, and not by its parent, which is open still."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._writing = threading.local()

    def _leased(self, connection: Connection, lease: Lease) -> Family:
        self._writing.request_id = lease.request_id
        return super()._leased(connection, lease)

    def _store_sources(self, *arguments: Any, known: Collection[SourceName], seen_by: str) -> None:
        del seen_by
        super()._store_sources(*arguments, known=known, seen_by=self._writing.request_id)


class RowsComparedWithTheirRecords(SqlStore):
    """Whether the source changed a row is asked of the record here, and not of what the source sent before."""

    def write_batch(self, lease: Lease, batch: RowBatch, writer: RowWriter, *, lease_us: int) -> BatchResult:
        rows = tuple(row._replace(source_hash=writer.write(row, now=batch.now).data_hash) for row in batch.rows)
        return super().write_batch(lease, replace(batch, rows=rows), _EveryRowAsItCame(writer), lease_us=lease_us)

    def _changed_sources(
        self, connection: Connection, account_id: str, enrollment_id: str, rows: Iterable[SourceRow]
    ) -> tuple[set[SourceName], set[SourceName]]:
        rows = list(rows)
        new, _ = super()._changed_sources(connection, account_id, enrollment_id, rows)
        records = self._current_records(connection, account_id, {(row.object_type, row.record_key) for row in rows})[0]
        changed = {
            (row.object_type, row.source_key)
            for row in rows
            if (stands := records.get((row.object_type, row.record_key))) is None or stands.data_hash != row.source_hash
        }
        return new, changed - new

    def _stored_sources(
        self, connection: Connection, account_id: str, enrollment_id: str, names: Collection[SourceName]
    ) -> dict[SourceName, KnownSource]:
        known = super()._stored_sources(connection, account_id, enrollment_id, names)
        items = {(object_type, source.record_key) for (object_type, _), source in known.items()}
        records = self._current_records(connection, account_id, items)[0] if items else {}
        return {
            name: source._replace(source_hash=records[name[0], source.record_key].data_hash)
            for name, source in known.items()
        }


class PayloadsOfAnybody(SqlStore):
    """A payload is found by its request alone."""

    def read_payload(self, account_id: str, request_id: str, *, after: int) -> tuple[int, bytes] | None:
        return super().read_payload(_owner(self, account_id, request_id), request_id, after=after)


class CancelledByAnybody(SqlStore):
    """A request is cancelled for whoever knows its id."""

    def cancel_request(
        self, account_id: str, request_id: str, *, by: str, now: int, act: Act | None = None
    ) -> SyncRequest:
        return super().cancel_request(_owner(self, account_id, request_id), request_id, by=by, now=now, act=act)


def _owner(store: SqlStore, account_id: str, request_id: str) -> str:
    """Whose request it is; nobody's is the caller's."""
    for owner in store.list_accounts():
        with suppress(RequestNotFound):
            store.get_request(owner, request_id)
            return owner
    return account_id


class _EveryRowAsItCame:
    """Merges nothing."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer

    def write(self, row: SourceRow, *, now: int) -> RecordWrite:
        return self._writer.write(row, now=now)

    def merge(self, row: SourceRow, known_image: bytes, current: CurrentRecord, *, now: int) -> RecordWrite:
        return self.write(row, now=now)
