"""Sync requests in the model, as workers see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from syncline.storage.contract import RowWriter
from syncline.storage.errors import AccountNotFound, LeaseLost
from syncline.storage.identity import random_id
from syncline.storage.limits import check_text, check_texts
from syncline.storage.memory.records import write_record
from syncline.storage.memory.state import AccountState, ItemName, MemoryState, RequestRow, SourceState
from syncline.storage.memory.sync_requests import end_parent, shown
from syncline.storage.request_models import (
    NEVER,
    BatchResult,
    ClaimLimits,
    Ending,
    Lease,
    RowBatch,
    Swept,
    SyncRequest,
)
from syncline.storage.request_moves import (
    claimed,
    ended,
    is_external,
    is_repeat,
    lapsed,
    moved_on,
    others_see_since,
    promoted,
    seer_of,
)
from syncline.storage.request_states import RequestStatus
from syncline.storage.row_plan import (
    RowPlan,
    RowState,
    SourceName,
    added,
    added_counts,
    check_row_batch,
    kept_details,
    plan_rows,
    plan_sweep,
)
from syncline.storage.upload_models import CurrentRecord


class MemoryWorking(MemoryState):
    """`WorkStore`."""

    def claim_request(
        self, *, worker: str, limits: ClaimLimits, lease_us: int, now: int, external_of: str | None = None
    ) -> Lease | None:
        """See `WorkStore.claim_request`."""
        check_texts("worker", (worker, external_of or ""))
        with self._lock:
            if external_of is not None and external_of not in self._accounts:
                raise AccountNotFound(external_of)
            waiting = [
                (row.request.due_at, row.request.request_id, account_id)
                for account_id, account in self._accounts.items()
                if external_of in {None, account_id}
                for row in _claimable(account, limits, external=external_of is not None)
            ]
            if not waiting:
                return None
            _, request_id, account_id = min(waiting)
            row = self._accounts[account_id].requests[request_id]
            row.request = claimed(row.request, worker=worker, lease_us=lease_us, now=now)
            row.lease_token, row.batch_number = random_id(), 0
            return Lease(
                account_id,
                request_id,
                row.lease_token,
                attempt=row.request.attempts,
                trace_context=row.request.trace_context,
            )

    def promote_requests(self, *, now: int, failures_max: int) -> int:
        """See `WorkStore.promote_requests`."""
        moved = 0
        with self._lock:
            for account in self._accounts.values():
                for row in list(account.requests.values()):
                    moved += _promote(account, row, now=now, failures_max=failures_max)
        return moved

    def next_due(self) -> int | None:
        """See `WorkStore.next_due`."""
        with self._lock:
            requests = [row.request for account in self._accounts.values() for row in account.requests.values()]
            due = [
                request.due_at
                for request in requests
                if request.status is RequestStatus.READY and request.due_at < NEVER
            ]
            due += [request.lease_until for request in requests if request.status is RequestStatus.IN_PROGRESS]
            return min(due, default=None)

    def renew_lease(self, lease: Lease, *, lease_us: int, now: int) -> BatchResult:
        """See `WorkStore.renew_lease`."""
        with self._leased(lease) as (account, row):
            row.request = replace(row.request, lease_until=now + lease_us)
            return _result(account, row, written=False)

    def write_batch(self, lease: Lease, batch: RowBatch, writer: RowWriter, *, lease_us: int) -> BatchResult:
        """See `WorkStore.write_batch`."""
        check_row_batch(batch)
        with self._leased(lease) as (account, row):
            if is_repeat(batch.number, last=row.batch_number):
                return _result(account, row, written=False)
            plan = plan_rows(_state(account, row.request), batch, writer)
            before = row.request.progress
            _carry_out(account, row, plan)
            if row.request.parent_id is not None and row.request.progress != before:
                parent = account.requests[row.request.parent_id]
                parent.request = replace(parent.request, modified_at=batch.now)
            row.batch_number = batch.number
            row.request = replace(
                row.request, cursor=batch.cursor, lease_until=batch.now + lease_us, modified_at=batch.now
            )
            return _result(account, row, written=bool(plan.writes))

    def count_unseen(self, lease: Lease, object_types: Sequence[str]) -> tuple[int, int]:
        """See `WorkStore.count_unseen`."""
        check_texts("object_types", object_types)
        with self._leased(lease) as (account, row):
            sources = account.sources.get(row.request.enrollment_id, {})
            total = sum(object_type in object_types for object_type, _ in sources)
            return len(_unseen(account, row.request, object_types)), total

    def sweep_unseen(self, lease: Lease, object_types: Sequence[str], *, limit: int, lease_us: int, now: int) -> Swept:
        """See `WorkStore.sweep_unseen`."""
        check_texts("object_types", object_types)
        with self._leased(lease) as (account, row):
            unseen = _unseen(account, row.request, object_types)
            plan = plan_sweep(_state(account, row.request), unseen[:limit], now=now)
            _carry_out(account, row, plan)
            row.request = replace(row.request, lease_until=now + lease_us, modified_at=now)
            return Swept(len(unseen[limit:]), _result(account, row, written=bool(plan.writes)))

    def end_request(
        self,
        lease: Lease,
        ending: Ending,
        *,
        message: str,
        due_at: int,
        failures_max: int,
        now: int,
    ) -> SyncRequest:
        """See `WorkStore.end_request`."""
        with self._leased(lease) as (account, row):
            worker = row.request.worker
            row.request = ended(row.request, ending, message=message, due_at=due_at, failures_max=failures_max, now=now)
            row.lease_token = 0
            enrollment_id = row.request.enrollment_id
            if row.request.status is RequestStatus.SUCCESS and enrollment_id is not None:
                account.enrollments[enrollment_id] = moved_on(account.enrollment(enrollment_id), row.request)
            end_parent(account, row.request, by=worker, now=now)
            return shown(account, row)

    def read_payload(self, account_id: str, request_id: str, *, after: int) -> tuple[int, bytes] | None:
        """See `WorkStore.read_payload`."""
        check_text("request_id", request_id)
        with self._transaction(account_id) as account:
            row = account.requests.get(request_id)
            chunks = row.new.payload if row is not None and row.new is not None else ()
            return (after + 1, chunks[after]) if after < len(chunks) else None

    def known_sources(
        self, account_id: str, enrollment_id: str | None, object_type: str, source_keys: Sequence[str]
    ) -> Mapping[str, bytes]:
        """See `WorkStore.known_sources`."""
        check_texts("source_keys", (object_type, *source_keys))
        with self._transaction(account_id) as account:
            sources = account.sources.get(enrollment_id, {})
            names = [(object_type, key) for key in source_keys]
            return {name[1]: sources[name].known.source_hash for name in names if name in sources}

    @contextmanager
    def _leased(self, lease: Lease) -> Iterator[tuple[AccountState, RequestRow]]:
        """The request for the holder of its lease alone, or `LeaseLost`."""
        with self._transaction(lease.account_id) as account:
            row = account.requests.get(lease.request_id)
            if row is None or row.lease_token != lease.token:
                raise LeaseLost(f"the lease of the sync request {lease.request_id} was lost")
            yield account, row


def _claimable(account: AccountState, limits: ClaimLimits, *, external: bool) -> list[RequestRow]:
    """The account's requests of which one may be claimed, by a worker outside or one of the server's own."""
    running = [row for row in account.requests.values() if row.request.status is RequestStatus.IN_PROGRESS]
    if len(running) >= limits.per_account:
        return []
    busy = {row.request.enrollment_id for row in running} - {None}
    return [
        row
        for row in account.requests.values()
        if row.request.status is RequestStatus.CONNECTOR
        and row.request.enrollment_id not in busy
        and is_external(row.request, _connector(account, row)) == external
    ]


def _connector(account: AccountState, row: RequestRow) -> str | None:
    """The connector of the request's enrollment, if it has one."""
    enrollment_id = row.request.enrollment_id
    return None if enrollment_id is None else account.enrollment(enrollment_id).connector


def _promote(account: AccountState, row: RequestRow, *, now: int, failures_max: int) -> bool:
    """Move the request on if its time has come; did it move?"""
    request = row.request
    if request.status is RequestStatus.READY and request.due_at <= now:
        row.request = promoted(request, now=now)
        return True
    if request.status is RequestStatus.IN_PROGRESS and request.lease_until <= now:
        row.request = lapsed(request, failures_max=failures_max, now=now)
        row.lease_token = 0
        end_parent(account, row.request, by=request.worker, now=now)
        return True
    return False


def _result(account: AccountState, row: RequestRow, *, written: bool) -> BatchResult:
    """How the request stands."""
    return BatchResult(
        cancel_asked=row.request.cancel_asked,
        lease_until=row.request.lease_until,
        head_revision=account.head.revision,
        written=written,
        progress=shown(account, row).progress,
    )


def _state(account: AccountState, request: SyncRequest) -> RowState:
    """What stands before a batch of the request."""
    counts: dict[ItemName, int] = {}
    for (object_type, _), source in _all_sources(account):
        item = (object_type, source.known.record_key)
        counts[item] = counts.get(item, 0) + 1
    return RowState(
        full=request.run_full_sync,
        head_revision=account.head.revision,
        scopes={kind.name: kind.scope for kind in account.schema.object_types},
        sources={name: source.known for name, source in account.sources.get(request.enrollment_id, {}).items()},
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
        source_counts=counts,
    )


def _all_sources(account: AccountState) -> Iterable[tuple[SourceName, SourceState]]:
    for sources in account.sources.values():
        yield from sources.items()


def _unseen(account: AccountState, request: SyncRequest, object_types: Sequence[str]) -> list[SourceName]:
    """The sources of these types that the request has not seen, by type and key."""
    sources = account.sources.get(request.enrollment_id, {})
    since = others_see_since(request)
    seers = {
        name
        for name, row in account.requests.items()
        if row.request.modified_at >= since or (row.request.is_parent and not row.request.status.is_final)
    }
    seers.add(request.request_id)
    return sorted(name for name, source in sources.items() if name[0] in object_types and source.seen_by not in seers)


def _carry_out(account: AccountState, row: RequestRow, plan: RowPlan) -> None:
    """Do what was planned."""
    request = row.request
    scopes = {kind.name: kind.scope for kind in account.schema.object_types}
    for write in plan.writes:
        stands = account.records.get((write.object_type, write.key))
        write_record(account, write, scopes[write.object_type] if stands is None else stands.scope)
    sources = account.sources.setdefault(request.enrollment_id, {})
    sources |= {name: SourceState(known, seer_of(request)) for name, known in plan.sources.items()}
    for name in plan.forgotten:
        sources.pop(name, None)
    for name in plan.seen:
        sources[name].seen_by = seer_of(request)
    kept, left_out = kept_details(plan.details, len(row.details))
    row.details += kept
    row.counts = added_counts(row.counts, plan.counts)
    row.request = replace(
        request,
        progress=added(request.progress, plan.progress),
        detail_count=len(row.details),
        details_left_out=request.details_left_out + left_out,
    )
