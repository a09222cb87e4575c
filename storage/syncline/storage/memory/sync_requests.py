"""Sync requests in the model, as those see them who ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncline.storage.audit_models import Act
from syncline.storage.errors import EnrollmentNotFound, RequestIdReused
from syncline.storage.limits import check_act, check_text, check_texts
from syncline.storage.memory.filtering import select
from syncline.storage.memory.state import AccountState, MemoryState, RequestRow
from syncline.storage.request_models import (
    DetailPage,
    LastRuns,
    NewRequest,
    Operation,
    RequestQuery,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.request_moves import (
    cancelled,
    check_new,
    check_parent,
    check_retried,
    made,
    made_parent,
    parent_ended,
    summed,
)
from syncline.storage.request_states import RequestStatus
from syncline.storage.row_plan import added_counts


class MemorySyncRequests(MemoryState):
    """`SyncRequestStore`."""

    def create_request(self, account_id: str, new: NewRequest, *, now: int, act: Act | None = None) -> SyncRequest:
        """See `SyncRequestStore.create_request`."""
        check_new(new)
        check_act(act)
        with self._transaction(account_id) as account:
            for row in account.requests.values():
                if new.idempotency_key and row.new is not None and row.new.idempotency_key == new.idempotency_key:
                    if row.new.payload_hash != new.payload_hash:
                        raise RequestIdReused("the idempotency key was used for something else")
                    return shown(account, row)
            if new.request_id in account.requests:
                raise RequestIdReused(f"the sync request {new.request_id} is there already")
            if new.enrollment_id is not None and not account.enrollment(new.enrollment_id).enabled:
                raise EnrollmentNotFound(f"the enrollment {new.enrollment_id!r} is disabled")
            if new.retry_of is not None:
                check_retried(account.request(new.retry_of).request)
            if new.parent_id is not None:
                _join(account, new, new.parent_id, now=now)
            row = account.requests[new.request_id] = RequestRow(
                made(new, now=now), replace(new, payload=tuple(new.payload))
            )
            account.note_act(act)
            return shown(account, row)

    def get_request(self, account_id: str, request_id: str) -> SyncRequest:
        """See `SyncRequestStore.get_request`."""
        check_text("request_id", request_id)
        with self._transaction(account_id) as account:
            return shown(account, account.request(request_id))

    def list_requests(self, account_id: str, query: RequestQuery) -> list[SyncRequest]:
        """See `SyncRequestStore.list_requests`."""
        with self._transaction(account_id) as account:
            return select((shown(account, row) for row in account.requests.values()), query)

    def last_runs(self, account_id: str, enrollment_ids: Sequence[str]) -> dict[str, LastRuns]:
        """See `SyncRequestStore.last_runs`."""
        check_texts("enrollment_ids", enrollment_ids)
        with self._transaction(account_id) as account:
            return {enrollment_id: _last_runs(account, enrollment_id) for enrollment_id in enrollment_ids}

    def list_details(self, account_id: str, request_id: str, *, after: int, limit: int) -> DetailPage:
        """See `SyncRequestStore.list_details`."""
        check_text("request_id", request_id)
        with self._transaction(account_id) as account:
            details = account.request(request_id).details
            page = tuple(enumerate(details, 1))[after : after + limit]
            through = page[-1][0] if page else after
            return DetailPage(page, next_after=through if through < len(details) else 0)

    def count_types(self, account_id: str, request_id: str) -> dict[str, TypeCounts]:
        """See `SyncRequestStore.count_types`."""
        check_text("request_id", request_id)
        with self._transaction(account_id) as account:
            total = dict(account.request(request_id).counts)
            for batch in account.batches(request_id):
                total = added_counts(total, batch.counts)
            return total

    def cancel_request(
        self, account_id: str, request_id: str, *, by: str, now: int, act: Act | None = None
    ) -> SyncRequest:
        """See `SyncRequestStore.cancel_request`."""
        check_text("request_id", request_id)
        check_text("modified_by", by)
        check_act(act)
        with self._transaction(account_id) as account:
            row = account.request(request_id)
            before, row.request = row.request, cancelled(row.request, by=by, now=now)
            if row.request is not before:
                account.note_act(act)
            for batch in account.batches(request_id):
                if not batch.request.status.is_final:
                    batch.request = cancelled(batch.request, by=by, now=now)
            end_parent(account, row.request, by=by, now=now)
            return shown(account, row)


def shown(account: AccountState, row: RequestRow) -> SyncRequest:
    """The request as it is told of: a parent with what its batches did."""
    if not row.request.is_parent:
        return row.request
    family = [row, *account.batches(row.request.request_id)]
    return replace(row.request, progress=summed(one.request.progress for one in family))


def end_parent(account: AccountState, request: SyncRequest, *, by: str, now: int) -> None:
    """End the parent of a batch that has ended, or let it run, if it was the last."""
    if request.parent_id is None or not request.status.is_final:
        return
    parent = account.requests[request.parent_id]
    statuses: list[RequestStatus] = [batch.request.status for batch in account.batches(request.parent_id)]
    parent.request = parent_ended(parent.request, statuses, by=by, now=now) or parent.request


def _last_runs(account: AccountState, enrollment_id: str) -> LastRuns:
    runs = [
        shown(account, row)
        for row in account.requests.values()
        if row.request.enrollment_id == enrollment_id
        and row.request.parent_id is None
        and row.request.operation is not Operation.CHECK
    ]
    runs.sort(key=lambda request: (request.created_at, request.request_id))
    succeeded = [request for request in runs if request.status is RequestStatus.SUCCESS]
    return LastRuns(runs[-1] if runs else None, succeeded[-1] if succeeded else None)


def _join(account: AccountState, new: NewRequest, parent_id: str, *, now: int) -> None:
    """Make sure of the parent that the batch is to have."""
    parent = account.requests.get(parent_id)
    if parent is None:
        account.requests[parent_id] = RequestRow(made_parent(new, parent_id, now=now), None)
        return
    taken = {batch.request.current_batch for batch in account.batches(parent_id)}
    check_parent(new, parent.request, is_taken=new.current_batch in taken)
