"""What a worker does by its lease, and nobody without it (G11)."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from syncline.storage.errors import LeaseLost, RequestNotFound
from syncline.storage.limits import check_text
from syncline.storage.request_models import BatchResult, Ending, Lease, SyncRequest
from syncline.storage.request_moves import ended
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.enrollments import SqlEnrollments
from syncline.storage.sql.request_rows import Family, SqlRequestRows, StoredRequest


class SqlLeases(SqlEnrollments, SqlRequestRows):
    """The fence, and keeping and giving back a lease."""

    def renew_lease(self, lease: Lease, *, lease_us: int, now: int) -> BatchResult:
        """See `WorkStore.renew_lease`."""

        def work(connection: Connection) -> BatchResult:
            head = self._head(connection, lease.account_id)
            stored = self._leased(connection, lease).stored
            after = replace(stored, request=replace(stored.request, lease_until=now + lease_us))
            self._store_request(connection, lease.account_id, after)
            return batch_result(after, head_revision=head.revision, written=False)

        return self._database.write(work)

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

        def work(connection: Connection) -> SyncRequest:
            self._head(connection, lease.account_id)
            family = self._leased(connection, lease)
            before = family.stored.request
            after = ended(before, ending, message=message, due_at=due_at, failures_max=failures_max, now=now)
            self._store_request(connection, lease.account_id, replace(family.stored, request=after))
            if after.status is RequestStatus.SUCCESS and after.enrollment_id is not None:
                self._move_enrollment_on(connection, lease.account_id, after)
            if family.parent is not None and after.status.is_final:
                self._end_parent(connection, lease.account_id, family.parent, by=before.worker, now=now)
            return after

        return self._database.write(work)

    def _leased(self, connection: Connection, lease: Lease) -> Family:
        """The leased request and its parent, locked: nobody can take the lease away until the transaction ends.

        Raises:
            LeaseLost: another token holds the request, or none does.
        """
        check_text("request_id", lease.request_id)
        lost = LeaseLost(f"the lease of the sync request {lease.request_id} was lost")
        try:
            family = self._locked_family(connection, lease.account_id, lease.request_id)
        except RequestNotFound:
            raise lost from None
        is_running = family.stored.request.status is RequestStatus.IN_PROGRESS
        if not is_running or family.stored.lease_token != lease.token:
            raise lost
        return family


def batch_result(stored: StoredRequest, *, head_revision: int, written: bool) -> BatchResult:
    """How a leased request stands."""
    return BatchResult(
        cancel_asked=stored.request.cancel_asked,
        lease_until=stored.request.lease_until,
        head_revision=head_revision,
        written=written,
        progress=stored.request.progress,
    )
