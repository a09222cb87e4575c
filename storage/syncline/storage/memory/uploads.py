"""Changes of devices, and the log of conflicts, in the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from syncline.storage.contract.uploads import Judge
from syncline.storage.device_access import check_access
from syncline.storage.errors import ObjectTypeNotFound
from syncline.storage.limits import check_batch, check_frames, check_text
from syncline.storage.memory.records import write_record
from syncline.storage.memory.state import AccountState, DeviceRow, MemoryState, ReceiptRow
from syncline.storage.upload_models import Change, Conflict, CurrentRecord, UploadBatch, UploadOutcome
from syncline.storage.upload_plan import UploadPlan, UploadState, admit, plan_upload


class MemoryUploads(MemoryState):
    """`UploadStore`."""

    def open_upload(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """See `UploadStore.open_upload`."""
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            row.device = replace(row.device, upload_stream_id=stream_id)

    def upload(self, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        """See `UploadStore.upload`."""
        check_batch(batch)
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            admit(account_id, row.device, account.head, batch)
            state = _state(account, row, batch)
            plan = plan_upload(state, batch.changes, batch.holds, judge, now=batch.now)
            batch.planned()
            check_frames(plan.writes)
            _write(account, row, plan, state.scopes)
            if plan.receipts:
                # A revision for each change, used or not: the numbers of conflicts are made of them.
                account.head = replace(account.head, revision=state.head_revision + len(batch.changes))
            row.receipts |= {receipt.change_seq: ReceiptRow(receipt, batch.now) for receipt in plan.receipts}
            account.conflicts += plan.conflicts
            row.device = replace(
                row.device, next_change_seq=plan.next_change_seq, settled_through=state.settled_through
            )
            row.note_contact(batch.now)
            return UploadOutcome(
                head_revision=account.head.revision,
                answers=tuple(plan.answers),
                written=bool(plan.writes),
                holds=plan.holds,
                stopped_by=plan.stopped_by,
            )

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
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            check_access(account_id, row.device, account.head)
            found = [
                entry
                for entry in reversed(account.conflicts)
                if (entry.bucket in row.grants if all_devices else entry.device_uuid == device_uuid)
                and object_type in {None, entry.object_type}
                and key in {None, entry.key}
                and (before_id is None or entry.conflict_id < before_id)
            ]
            return found[:limit]


def _state(account: AccountState, row: DeviceRow, batch: UploadBatch) -> UploadState:
    """What stands before the batch."""
    by_uuid = {kept.receipt.change_uuid: kept.receipt for kept in row.receipts.values()}
    return UploadState(
        device_uuid=row.device.device_uuid,
        head_revision=account.head.revision,
        next_change_seq=row.device.next_change_seq,
        settled_through=max(row.device.settled_through, batch.settled_through),
        grants=frozenset(row.grants),
        scopes=_scopes(account, batch.changes),
        by_seq={seq: kept.receipt for seq, kept in row.receipts.items()},
        by_uuid=by_uuid,
        records={
            item: CurrentRecord(
                scope=record.scope,
                bucket=record.bucket,
                revision=record.revision,
                frame=record.frame,
                data_hash=record.data_hash,
                created_by=record.created_by,
                written_by=record.written_by,
            )
            for item, record in account.records.items()
        },
        conflicts={
            entry.change_uuid: entry
            for entry in account.conflicts
            if entry.device_uuid == row.device.device_uuid and entry.change_uuid in by_uuid
        },
    )


def _scopes(account: AccountState, changes: Sequence[Change]) -> dict[str, str]:
    """The scope of each object type, or `ObjectTypeNotFound`."""
    scopes = {kind.name: kind.scope for kind in account.schema.object_types}
    for change in changes:
        if change.refusal is None and change.object_type not in scopes:
            raise ObjectTypeNotFound(change.object_type)
    return scopes


def _write(account: AccountState, row: DeviceRow, plan: UploadPlan, scopes: Mapping[str, str]) -> None:
    """Write the records of a plan."""
    for write, writer in zip(plan.writes, plan.writers, strict=True):
        scope = scopes[write.object_type]
        write_record(account, write, scope, created_by=writer, written_by=row.device.device_uuid)
