"""Schedules of app enrollments in the model."""

from __future__ import annotations

from syncline.storage.memory.state import AccountState, MemoryState, RequestRow
from syncline.storage.request_models import Enrollment, NewRequest, SyncRequest
from syncline.storage.request_moves import check_new, is_still_due, made, ran


class MemoryScheduling(MemoryState):
    """`ScheduleStore`."""

    def due_schedules(self, *, now: int, limit: int) -> list[tuple[str, Enrollment]]:
        """See `ScheduleStore.due_schedules`."""
        with self._lock:
            due = [
                (enrollment.next_run_at, account_id, enrollment.enrollment_id)
                for account_id, account in self._accounts.items()
                for enrollment in account.enrollments.values()
                if enrollment.enabled and 0 < enrollment.next_run_at <= now
            ]
            return [
                (account_id, self._accounts[account_id].enrollments[one]) for _, account_id, one in sorted(due)[:limit]
            ]

    def run_schedule(
        self, account_id: str, due: Enrollment, *, next_run_at: int, new: NewRequest, now: int
    ) -> SyncRequest | None:
        """See `ScheduleStore.run_schedule`."""
        check_new(new)
        with self._transaction(account_id) as account:
            stored = account.enrollments.get(due.enrollment_id)
            if stored is None or not is_still_due(stored, due):
                return None
            request = None if _is_kept(account, stored, new) else made(new, now=now)
            if request is not None:
                account.requests[new.request_id] = RequestRow(request, new)
            account.enrollments[due.enrollment_id] = ran(stored, next_run_at=next_run_at, request=request)
            return request


def _is_kept(account: AccountState, enrollment: Enrollment, new: NewRequest) -> bool:
    """Is the last request still at it, or this one there already?"""
    last = account.requests.get(enrollment.scheduled_request_id)
    if last is not None and not last.request.status.is_final:
        return True
    keys = {row.new.idempotency_key for row in account.requests.values() if row.new is not None}
    return new.request_id in account.requests or bool(new.idempotency_key and new.idempotency_key in keys)
