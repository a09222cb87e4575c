"""Schedules of app enrollments: what is due, and making its request once."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Select, bindparam, literal_column, select, update

from syncline.storage.limits import check_text
from syncline.storage.request_models import Enrollment, NewRequest, SyncRequest
from syncline.storage.request_moves import check_new, is_still_due, made, ran
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.enrollments import enrollment_of
from syncline.storage.sql.sync_requests import SqlSyncRequests
from syncline.storage.sql.tables import app_enrollment, sync_request

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_DUE: Select[Any] = (
    select(app_enrollment)
    .where(
        # As a constant of the statement: see the index.
        app_enrollment.c.next_run_at > literal_column("0"),
        app_enrollment.c.next_run_at <= bindparam("now"),
        app_enrollment.c.enabled,
    )
    .order_by(app_enrollment.c.next_run_at, app_enrollment.c.account_id, app_enrollment.c.enrollment_id)
    .limit(bindparam("limit"))
)
_THIS = (app_enrollment.c.account_id == _OF_ACCOUNT, app_enrollment.c.enrollment_id == bindparam("of_enrollment"))
# What another worker is about to run is left to it.
_FREE = select(app_enrollment).where(*_THIS).with_for_update(skip_locked=True)
_RAN = (
    update(app_enrollment)
    .where(*_THIS)
    .values(next_run_at=bindparam("new_next_run_at"), scheduled_request_id=bindparam("new_scheduled_request_id"))
)
_STATUS = select(sync_request.c.status).where(
    sync_request.c.account_id == _OF_ACCOUNT, sync_request.c.request_id == bindparam("of_request")
)

CROSSING_ACCOUNTS: Final = (_DUE,)
"""The statement that looks across accounts: a worker serves them all."""


class SqlScheduling(SqlSyncRequests):
    """`ScheduleStore`."""

    def due_schedules(self, *, now: int, limit: int) -> list[tuple[str, Enrollment]]:
        """See `ScheduleStore.due_schedules`."""

        def work(connection: Connection) -> list[tuple[str, Enrollment]]:
            rows = connection.execute(_DUE, {"now": now, "limit": limit})
            return [(row.account_id, enrollment_of(row)) for row in rows]

        return self._database.read(work)

    def run_schedule(
        self, account_id: str, due: Enrollment, *, next_run_at: int, new: NewRequest, now: int
    ) -> SyncRequest | None:
        """See `ScheduleStore.run_schedule`."""
        check_new(new)
        check_text("enrollment_id", due.enrollment_id)

        def work(connection: Connection) -> SyncRequest | None:
            self._head(connection, account_id)
            stored = self._locked_if_due(connection, account_id, due)
            if stored is None:
                return None
            request = None if self._is_running(connection, account_id, stored) else made(new, now=now)
            if request is not None and not self._insert_request(connection, account_id, request, new):
                request = None
            after = ran(stored, next_run_at=next_run_at, request=request)
            this = {"of_account": account_id, "of_enrollment": due.enrollment_id}
            new_values = {
                "new_next_run_at": after.next_run_at,
                "new_scheduled_request_id": after.scheduled_request_id,
            }
            connection.execute(_RAN, {**this, **new_values})
            return request

        return self._database.write(work)

    def _locked_if_due(self, connection: Connection, account_id: str, due: Enrollment) -> Enrollment | None:
        """The enrollment, locked, if it still is as it was found; None if not, or if somebody else holds it."""
        values = {"of_account": account_id, "of_enrollment": due.enrollment_id}
        row = connection.execute(_FREE, values).one_or_none()
        if row is None or not is_still_due(enrollment_of(row), due):
            return None
        return enrollment_of(row)

    def _is_running(self, connection: Connection, account_id: str, enrollment: Enrollment) -> bool:
        """Is the request that the schedule made last still to end?"""
        values = {"of_account": account_id, "of_request": enrollment.scheduled_request_id}
        status = connection.execute(_STATUS, values).scalar_one_or_none()
        return status is not None and not RequestStatus(status).is_final
