"""Writing the rows of a running request."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from syncline.storage.contract.sync_requests import RowWriter
from syncline.storage.request_models import BatchResult, Lease, RowBatch, SourceRow
from syncline.storage.request_moves import is_repeat, seer_of
from syncline.storage.row_plan import (
    ItemName,
    KnownSource,
    RowPlan,
    RowState,
    SourceName,
    added,
    check_row_batch,
    items_left,
    items_touched,
    kept_details,
    plan_rows,
    types_of,
)
from syncline.storage.sql.leases import SqlLeases, batch_result
from syncline.storage.sql.record_sources import SqlRecordSources
from syncline.storage.sql.request_details import SqlRequestDetails
from syncline.storage.sql.request_rows import Family, StoredRequest
from syncline.storage.sql.uploading import SqlUploading
from syncline.storage.sql.write_plan import CurrentRow, WritePlan
from syncline.storage.upload_models import CurrentRecord


class SqlRowBatches(SqlUploading, SqlRecordSources, SqlLeases, SqlRequestDetails):
    """`WorkStore.write_batch`."""

    def write_batch(self, lease: Lease, batch: RowBatch, writer: RowWriter, *, lease_us: int) -> BatchResult:
        """See `WorkStore.write_batch`."""
        check_row_batch(batch)
        return self._database.write(lambda connection: self._write_rows(connection, lease, batch, writer, lease_us))

    def _write_rows(
        self, connection: Connection, lease: Lease, batch: RowBatch, writer: RowWriter, lease_us: int
    ) -> BatchResult:
        account_id = lease.account_id
        # None yet: how many are needed is not known before the rows are decided. This locks the head.
        head_revision = self._take_revisions(connection, account_id, 0)
        family = self._leased(connection, lease)
        if is_repeat(batch.number, last=family.stored.batch_number):
            connection.rollback()
            return batch_result(family.stored, head_revision=head_revision, written=False)
        enrollment_id = family.stored.request.enrollment_id or ""
        new, changed = self._changed_sources(connection, account_id, enrollment_id, batch.rows)
        contested, unchanged = _contested(batch, new | changed)
        known = self._stored_sources(connection, account_id, enrollment_id, changed.union(batch.deleted_keys))
        full = family.stored.request.run_full_sync
        state, rows = self._row_state(
            connection,
            account_id,
            full=full,
            head_revision=head_revision,
            types=types_of(contested),
            sources=known,
            touched=items_touched(contested, known),
            left=items_left(contested, known),
        )
        plan = plan_rows(state, contested, writer, unchanged=unchanged)
        after = self._carry_out(connection, account_id, family, state, rows, plan, now=batch.now)
        request = replace(after.request, cursor=batch.cursor, lease_until=batch.now + lease_us, modified_at=batch.now)
        after = replace(after, request=request, batch_number=batch.number)
        self._store_request(connection, account_id, after)
        return batch_result(after, head_revision=head_revision + len(plan.writes), written=bool(plan.writes))

    def _row_state(
        self,
        connection: Connection,
        account_id: str,
        *,
        full: bool,
        head_revision: int,
        types: set[str],
        sources: dict[SourceName, KnownSource],
        touched: set[ItemName],
        left: set[ItemName],
    ) -> tuple[RowState, dict[ItemName, CurrentRow]]:
        """What rows are decided on, and the records of it as a write has to know them."""
        no_rows: tuple[dict[ItemName, CurrentRecord], dict[ItemName, CurrentRow]] = ({}, {})
        records, rows = self._current_records(connection, account_id, touched) if touched else no_rows
        state = RowState(
            full=full,
            head_revision=head_revision,
            scopes=self._scopes_of_types(connection, account_id, types) if types else {},
            sources=sources,
            records=records,
            source_counts=self._count_sources(connection, account_id, left),
        )
        return state, rows

    def _carry_out(
        self,
        connection: Connection,
        account_id: str,
        family: Family,
        state: RowState,
        rows: dict[ItemName, CurrentRow],
        plan: RowPlan,
        *,
        now: int,
    ) -> StoredRequest:
        """Store what was planned; answers the request with what the plan adds to it, which is not stored yet."""
        before = family.stored.request
        if plan.writes:
            self._take_revisions(connection, account_id, len(plan.writes))
            # What is swept may be of a type that the schema has no more: it goes where it is.
            scopes = {**{item[0]: row.scope for item, row in rows.items()}, **state.scopes}
            writing = WritePlan(scopes, rows, state.head_revision)
            writing.add_all(plan.writes)
            self._store_plan(connection, account_id, writing, written_by=None)
        self._store_sources(
            connection,
            account_id,
            before.enrollment_id or "",
            plan,
            known=state.sources.keys(),
            seen_by=seer_of(before),
        )
        kept, left_out = kept_details(plan.details, before.detail_count)
        self._insert_details(connection, account_id, before.request_id, kept, kept=before.detail_count)
        self._add_counts(connection, account_id, before.request_id, plan.counts)
        after = replace(
            before,
            progress=added(before.progress, plan.progress),
            detail_count=before.detail_count + len(kept),
            details_left_out=before.details_left_out + left_out,
        )
        if family.parent is not None and after.progress != before.progress:
            self._add_to_parent(connection, account_id, family.parent, before.progress, after.progress, now=now)
        return replace(family.stored, request=after)


def _contested(batch: RowBatch, changed: set[SourceName]) -> tuple[RowBatch, list[SourceName]]:
    """The batch without the rows of sources that are just as they were, whose records need not be looked at.

    And the sources of the rows that were left out, one for each.
    """
    if not changed and not batch.deleted_keys:
        return replace(batch, rows=()), [(row.object_type, row.source_key) for row in batch.rows]
    changed = changed.union(batch.deleted_keys)
    contested: list[SourceRow] = []
    unchanged: list[SourceName] = []
    for row in batch.rows:
        name = (row.object_type, row.source_key)
        if name in changed:
            contested.append(row)
        else:
            unchanged.append(name)
    return replace(batch, rows=tuple(contested)), unchanged
