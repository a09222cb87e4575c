"""Records in the model."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from syncline.storage.errors import ObjectTypeNotFound
from syncline.storage.limits import check_key, check_text, check_writes
from syncline.storage.memory.state import AccountState, FeedRow, MemoryState
from syncline.storage.models import Feed, Record, RecordWrite, WriteOutcome, WriteResult
from syncline.storage.trace_context import current_trace_context


class MemoryRecords(MemoryState):
    """`RecordStore`."""

    def write_records(self, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        """See `RecordStore.write_records`."""
        check_writes(writes)
        with self._transaction(account_id) as account:
            scopes = {kind.name: kind.scope for kind in account.schema.object_types}
            for write in writes:
                if write.object_type not in scopes:
                    raise ObjectTypeNotFound(write.object_type)
            done = [write_record(account, write, scopes[write.object_type]) for write in writes]
            return WriteResult(
                head_revision=account.head.revision,
                outcomes=tuple(outcome for outcome, _ in done),
                revisions=tuple(revision for _, revision in done),
            )

    def get_records(self, account_id: str, object_type: str, keys: Sequence[str]) -> list[Record]:
        """See `RecordStore.get_records`."""
        check_text("object_type", object_type)
        for key in keys:
            check_key(key)
        with self._transaction(account_id) as account:
            found = (account.records.get((object_type, key)) for key in dict.fromkeys(keys))
            return [record for record in found if record is not None]

    def scan_records(self, account_id: str, object_type: str, *, after_key: str | None, limit: int) -> list[Record]:
        """See `RecordStore.scan_records`."""
        check_text("object_type", object_type)
        check_text("after_key", after_key or "")
        with self._transaction(account_id) as account:
            live = [
                record
                for record in account.records.values()
                if record.object_type == object_type
                and record.frame is not None
                and (after_key is None or record.key > after_key)
            ]
            return sorted(live, key=lambda record: record.key)[:limit]

    def count_records(self, account_id: str) -> dict[str, int]:
        """See `RecordStore.count_records`."""
        with self._transaction(account_id) as account:
            counts = {kind.name: 0 for kind in account.schema.object_types}
            for record in account.records.values():
                if record.frame is not None and record.object_type in counts:
                    counts[record.object_type] += 1
            return counts


def put_record(account: AccountState, record: Record) -> None:
    """Store the record. A feed that it leaves keeps a departure; in its own feed none of its own remains."""
    item = (record.object_type, record.key)
    before = account.records.get(item)
    account.records[item] = record
    feed = Feed(record.scope, record.bucket)
    if before is not None and (before.scope, before.bucket) != feed:
        departure = FeedRow(record.revision, 0, None, record.object_type, record.key, record.modified_at)
        account.departures.setdefault(Feed(before.scope, before.bucket), {})[item] = departure
    account.departures.get(feed, {}).pop(item, None)


def write_record(
    account: AccountState,
    write: RecordWrite,
    scope: str,
    *,
    created_by: bytes = b"",
    written_by: UUID | None = None,
) -> tuple[WriteOutcome, int]:
    """Do one write; answer what it came to and the record's revision. `created_by` counts if it comes to life."""
    before = account.records.get((write.object_type, write.key))
    live = before is not None and before.frame is not None
    if write.frame is None:
        if before is None or not live:
            return WriteOutcome.UNCHANGED, 0
        bucket = before.bucket
    else:
        bucket = write.bucket if write.bucket is not None else (before.bucket if before is not None else "")
        if before is not None and live and (before.data_hash, before.bucket) == (write.data_hash, bucket):
            return WriteOutcome.UNCHANGED, before.revision
    revision = account.next_revision()
    stays = before is not None and live and before.bucket == bucket
    record = Record(
        object_type=write.object_type,
        key=write.key,
        scope=scope,
        bucket=bucket,
        revision=revision,
        entered_revision=before.entered_revision if before is not None and stays else revision,
        frame=write.frame,
        data_hash=write.data_hash,
        modified_at=write.modified_at,
        created_by=before.created_by if before is not None and live else created_by,
        written_by=written_by,
        trace_context=current_trace_context(),
    )
    put_record(account, record)
    if write.frame is None:
        return WriteOutcome.DELETED, revision
    return (WriteOutcome.UPDATED if live else WriteOutcome.INSERTED), revision
