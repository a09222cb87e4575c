"""Deciding the changes of a device under the account's head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, bindparam, case, select, update

from syncline.data.changes import Verdict
from syncline.storage.contract.uploads import Judge
from syncline.storage.errors import ObjectTypeNotFound
from syncline.storage.limits import CONTACT_INTERVAL_US, check_batch, check_change, check_frames
from syncline.storage.models import Device
from syncline.storage.sql.conflicts import SqlConflicts
from syncline.storage.sql.devices import SqlDevices
from syncline.storage.sql.json_rows import as_json_keys, one_of_keys
from syncline.storage.sql.receipts import SqlReceipts
from syncline.storage.sql.tables import device, record
from syncline.storage.sql.write_plan import CurrentRow, ItemName, WritePlan, keys_by_type
from syncline.storage.sql.writing import SqlWriting
from syncline.storage.upload_models import Change, CurrentRecord, Receipt, UploadBatch, UploadOutcome
from syncline.storage.upload_plan import UploadPlan, UploadState, admit, plan_upload

_THIS = (device.c.account_id == bindparam("of_account"), device.c.device_uuid == bindparam("of_device"))
_OPEN_UPLOAD = update(device).where(*_THIS).values(upload_stream_id=bindparam("new_stream"))
# A message that only tells what is settled does not wait for the account's writers, and contact comes from everywhere:
# what is newer stays.
_NOTE_UPLOADED = (
    update(device)
    .where(*_THIS)
    .values(
        {
            device.c[name]: case(
                (device.c[name] < bindparam(f"new_{name}"), bindparam(f"new_{name}")), else_=device.c[name]
            )
            for name in ("next_change_seq", "settled_through", "last_contact")
        }
    )
)
_CURRENT = select(
    record.c.object_type,
    record.c.record_key,
    record.c.scope,
    record.c.bucket,
    record.c.revision,
    record.c.entered_revision,
    record.c.frame,
    record.c.data_hash,
    record.c.created_by,
    record.c.written_by,
).where(
    record.c.account_id == bindparam("of_account"),
    record.c.object_type == bindparam("of_type"),
    one_of_keys("keys", record.c.record_key),
)


@dataclass(frozen=True, slots=True)
class _Before:
    """What a batch meets."""

    device: Device
    state: UploadState
    rows: dict[ItemName, CurrentRow]
    """The records of `state`, as a write has to know them."""


class SqlUploading(SqlDevices, SqlWriting, SqlReceipts, SqlConflicts):
    """`UploadStore`."""

    def open_upload(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """See `UploadStore.open_upload`."""
        self._update_device(account_id, device_uuid, _OPEN_UPLOAD, new_stream=stream_id)

    def upload(self, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        """See `UploadStore.upload`."""
        check_batch(batch)
        return self._database.write(
            lambda connection: self._upload_batch(connection, account_id, device_uuid, batch, judge)
        )

    def _upload_batch(
        self, connection: Connection, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge
    ) -> UploadOutcome:
        count = len(batch.changes)
        if count:
            self._take_revisions(connection, account_id, count)
        before = self._before_batch(connection, account_id, device_uuid, batch)
        plan = plan_upload(before.state, batch.changes, batch.holds, judge, now=batch.now)
        batch.planned()
        check_frames(plan.writes)
        self._write_planned(connection, account_id, before, plan)
        if plan.receipts:
            self._insert_receipts(connection, account_id, device_uuid, plan.receipts, batch.now)
        if plan.conflicts:
            self._insert_conflicts(connection, account_id, plan.conflicts)
        told = self._note_uploaded(connection, account_id, before, plan, batch.now)
        decided = bool(plan.receipts)
        if not decided and not told:
            connection.rollback()
        elif count and not decided:
            self._take_revisions(connection, account_id, -count)  # nothing happened at them: they go back
        return UploadOutcome(
            head_revision=before.state.head_revision + (count if decided else 0),
            answers=tuple(plan.answers),
            written=bool(plan.writes),
            holds=plan.holds,
            stopped_by=plan.stopped_by,
        )

    def _before_batch(self, connection: Connection, account_id: str, device_uuid: UUID, batch: UploadBatch) -> _Before:
        """Read what the batch is decided on; all of it after the revisions were taken."""
        found = self._device_at_head(connection, account_id, device_uuid)
        admit(account_id, found.device, found.head, batch)
        changes, next_seq = batch.changes, found.device.next_change_seq
        scopes = self._scopes_of_changes(connection, account_id, changes)
        seqs = [change.change_seq for change in changes if change.change_seq < next_seq]
        by_seq = self._receipts_by_seq(connection, account_id, device_uuid, seqs)
        # Before its first number, nothing of the device was decided.
        uuids = [change.change_uuid for change in changes] if next_seq > 1 else []
        by_uuid = self._receipts_by_uuid(connection, account_id, device_uuid, uuids)
        receipts = (*by_seq.values(), *by_uuid.values())
        known = {receipt.change_uuid for receipt in receipts}
        records, rows = self._current_records(connection, account_id, _items(changes, receipts))
        state = UploadState(
            device_uuid=device_uuid,
            head_revision=found.head.revision - len(changes),
            next_change_seq=next_seq,
            settled_through=max(found.device.settled_through, batch.settled_through),
            grants=frozenset(self._grants(connection, account_id, device_uuid)) if changes else frozenset(),
            scopes=scopes,
            by_seq=by_seq,
            by_uuid=by_uuid,
            records=records,
            conflicts=self._conflicts_of_changes(connection, account_id, device_uuid, known),
        )
        return _Before(found.device, state, rows)

    def _scopes_of_changes(self, connection: Connection, account_id: str, changes: Sequence[Change]) -> dict[str, str]:
        """The scope of each object type, or `ObjectTypeNotFound`."""
        names = {change.object_type for change in changes if change.refusal is None}
        scopes = self._scopes_of_types(connection, account_id, names) if names else {}
        for unknown in sorted(names - scopes.keys()):
            raise ObjectTypeNotFound(unknown)
        return scopes

    def _current_records(
        self, connection: Connection, account_id: str, items: Iterable[ItemName]
    ) -> tuple[dict[ItemName, CurrentRecord], dict[ItemName, CurrentRow]]:
        """These items as they stand, tombstones included: as the judge sees them, and as a write has to know them."""
        records: dict[ItemName, CurrentRecord] = {}
        rows: dict[ItemName, CurrentRow] = {}
        for of_type, keys in keys_by_type(items).items():
            values = {"of_account": account_id, "of_type": of_type, "keys": as_json_keys(keys)}
            for (
                object_type,
                key,
                scope,
                bucket,
                revision,
                entered,
                frame,
                data_hash,
                creator,
                writer,
            ) in connection.execute(_CURRENT, values).all():
                item = (object_type, key)
                records[item] = CurrentRecord(scope, bucket, revision, frame, data_hash, creator or b"", writer)
                rows[item] = CurrentRow(scope, bucket, revision, entered, frame is None, data_hash, creator)
        return records, rows

    def _write_planned(self, connection: Connection, account_id: str, before: _Before, plan: UploadPlan) -> None:
        """Write the records of the plan, which has given out their revisions."""
        if not plan.writes:
            return
        state = before.state
        writing = WritePlan(state.scopes, before.rows, state.head_revision)
        for revision, (write, writer) in enumerate(
            zip(plan.writes, plan.writers, strict=True), state.head_revision + 1
        ):
            writing.add(write, writer)
            assert writing.last_revision == revision  # noqa: S101 - else devices are told revisions that do not exist
        self._store_plan(connection, account_id, writing, written_by=state.device_uuid)

    def _note_uploaded(
        self, connection: Connection, account_id: str, before: _Before, plan: UploadPlan, now: int
    ) -> bool:
        """Note what the device has told and used up, if it is anything new. Was it?"""
        known, settled = before.device, before.state.settled_through
        if (known.next_change_seq, known.settled_through) == (
            plan.next_change_seq,
            settled,
        ) and now - known.last_contact < CONTACT_INTERVAL_US:
            return False
        values = {
            "of_account": account_id,
            "of_device": known.device_uuid,
            "new_next_change_seq": plan.next_change_seq,
            "new_settled_through": settled,
            "new_last_contact": now,
        }
        connection.execute(_NOTE_UPLOADED, values)
        return True


def _items(changes: Iterable[Change], receipts: Iterable[Receipt]) -> set[ItemName]:
    """The records that the batch is about: what was refused before it came is about none, unless it was done once."""
    done = {receipt.change_uuid for receipt in receipts if receipt.verdict in (Verdict.MERGED, Verdict.SERVER_WON)}
    items = set()
    for change in changes:
        if change.refusal is not None:
            if change.change_uuid not in done:
                continue
            check_change(change)
        items.add((change.object_type, change.key))
    return items
