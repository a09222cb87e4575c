"""App enrollments."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, exists, select, update

from syncline.storage.audit_models import Act
from syncline.storage.errors import EnrollmentBusy, EnrollmentChanged, EnrollmentNotFound, NameTaken
from syncline.storage.limits import check_act, check_text
from syncline.storage.request_models import Enrollment, Operation, Schedule, SyncRequest
from syncline.storage.request_moves import check_enrollment, moved_on, replaced
from syncline.storage.request_states import RequestStatus
from syncline.storage.sql.base import SqlBase
from syncline.storage.sql.tables import account, app_enrollment, record_source, sync_request

_OF_ACCOUNT: BindParameter[str] = bindparam("of_account")
_OF_ENROLLMENT: BindParameter[str] = bindparam("of_enrollment")
_THIS = (app_enrollment.c.account_id == _OF_ACCOUNT, app_enrollment.c.enrollment_id == _OF_ENROLLMENT)
_ONE = select(app_enrollment).where(*_THIS)
_LOCKED = _ONE.with_for_update()
_SHARED = _ONE.with_for_update(read=True)
_ALL = select(app_enrollment).where(app_enrollment.c.account_id == _OF_ACCOUNT).order_by(app_enrollment.c.name)
_HAS_NAME = select(app_enrollment.c.enrollment_id).where(
    app_enrollment.c.account_id == _OF_ACCOUNT, app_enrollment.c.name == bindparam("of_name")
)
_REPLACED = tuple(column.name for column in app_enrollment.c if not column.primary_key)
_REPLACE = update(app_enrollment).where(*_THIS).values({name: bindparam(f"new_{name}") for name in _REPLACED})
_MOVE_ON = (
    update(app_enrollment)
    .where(*_THIS)
    .values(read_cursor=bindparam("new_read_cursor"), write_cursor=bindparam("new_write_cursor"))
)
_LOCK_ACCOUNT = select(account.c.account_id).where(account.c.account_id == _OF_ACCOUNT).with_for_update()
_REMOVE = delete(app_enrollment).where(*_THIS)
_FORGET_SOURCES = delete(record_source).where(
    record_source.c.account_id == _OF_ACCOUNT, record_source.c.enrollment_id == _OF_ENROLLMENT
)
_BUSY = select(
    exists().where(
        sync_request.c.account_id == _OF_ACCOUNT,
        sync_request.c.enrollment_id == _OF_ENROLLMENT,
        sync_request.c.status.in_([status.value for status in RequestStatus if not status.is_final]),
    )
)


class SqlEnrollments(SqlBase):
    """`EnrollmentStore`."""

    def put_enrollment(
        self, account_id: str, enrollment: Enrollment, *, expected_modified_at: int | None, act: Act | None = None
    ) -> Enrollment:
        """See `EnrollmentStore.put_enrollment`."""
        check_enrollment(enrollment)
        check_act(act)

        def work(connection: Connection) -> Enrollment:
            self._head(connection, account_id)
            # Else two that ask for the same name would both find it free.
            self._lock_account(connection, account_id)
            if expected_modified_at is None:
                self._insert_enrollment(connection, account_id, enrollment)
            else:
                self._replace_enrollment(connection, account_id, enrollment, expected_modified_at)
            self._note_act(connection, account_id, act)
            return self._enrollment(connection, account_id, enrollment.enrollment_id)

        return self._database.write(work)

    def get_enrollment(self, account_id: str, enrollment_id: str) -> Enrollment:
        """See `EnrollmentStore.get_enrollment`."""
        check_text("enrollment_id", enrollment_id)

        def work(connection: Connection) -> Enrollment:
            self._head(connection, account_id)
            return self._enrollment(connection, account_id, enrollment_id)

        return self._database.read(work)

    def list_enrollments(self, account_id: str) -> list[Enrollment]:
        """See `EnrollmentStore.list_enrollments`."""

        def work(connection: Connection) -> list[Enrollment]:
            self._head(connection, account_id)
            return [enrollment_of(row) for row in connection.execute(_ALL, {"of_account": account_id})]

        return self._database.read(work)

    def remove_enrollment(self, account_id: str, enrollment_id: str, *, act: Act | None = None) -> None:
        """See `EnrollmentStore.remove_enrollment`."""
        check_text("enrollment_id", enrollment_id)
        check_act(act)

        def work(connection: Connection) -> None:
            self._head(connection, account_id)
            this = {"of_account": account_id, "of_enrollment": enrollment_id}
            if connection.execute(_LOCKED, this).one_or_none() is None:
                raise _not_found(enrollment_id)
            # A request that is being made holds the enrollment's row: see `_hold_enrollment`.
            if connection.execute(_BUSY, this).scalar_one():
                raise EnrollmentBusy(f"a sync request of the app enrollment {enrollment_id} has not ended")
            connection.execute(_FORGET_SOURCES, this)
            connection.execute(_REMOVE, this)
            self._note_act(connection, account_id, act)

        self._database.write(work)

    def _hold_enrollment(self, connection: Connection, account_id: str, enrollment_id: str) -> None:
        """Keep the enrollment from being removed or changed until the transaction ends.

        Raises:
            EnrollmentNotFound: it is not there, or it is disabled.
        """
        row = connection.execute(_SHARED, {"of_account": account_id, "of_enrollment": enrollment_id}).one_or_none()
        if row is None:
            raise _not_found(enrollment_id)
        if not row.enabled:
            raise EnrollmentNotFound(f"the app enrollment {enrollment_id} is disabled")

    def _move_enrollment_on(self, connection: Connection, account_id: str, request: SyncRequest) -> None:
        """A request succeeded: the next delta of its enrollment goes on from where it came to."""
        this = {"of_account": account_id, "of_enrollment": request.enrollment_id}
        row = connection.execute(_LOCKED, this).one_or_none()
        if row is not None:
            moved = moved_on(enrollment_of(row), request)
            new = {"new_read_cursor": moved.read_cursor, "new_write_cursor": moved.write_cursor}
            connection.execute(_MOVE_ON, {**this, **new})

    def _lock_account(self, connection: Connection, account_id: str) -> None:
        """Let others that lock the account wait until the transaction ends; its writers do not."""
        connection.execute(_LOCK_ACCOUNT, {"of_account": account_id})

    def _insert_enrollment(self, connection: Connection, account_id: str, enrollment: Enrollment) -> None:
        row = {"account_id": account_id, **_row_of(enrollment)}
        if self._database.insert_if_new(connection, app_enrollment, row):
            return
        this = {"of_account": account_id, "of_enrollment": enrollment.enrollment_id}
        if connection.execute(_ONE, this).one_or_none() is not None:
            raise EnrollmentChanged(f"there is an app enrollment {enrollment.enrollment_id} already")
        raise _name_taken(enrollment.name)

    def _replace_enrollment(
        self, connection: Connection, account_id: str, enrollment: Enrollment, expected_modified_at: int
    ) -> None:
        this = {"of_account": account_id, "of_enrollment": enrollment.enrollment_id}
        row = connection.execute(_LOCKED, this).one_or_none()
        if row is None:
            raise _not_found(enrollment.enrollment_id)
        if row.modified_at != expected_modified_at:
            raise EnrollmentChanged(f"the app enrollment {enrollment.enrollment_id} was changed meanwhile")
        holder = connection.execute(_HAS_NAME, {"of_account": account_id, "of_name": enrollment.name}).scalar()
        if holder not in (None, enrollment.enrollment_id):
            raise _name_taken(enrollment.name)
        new = _row_of(replaced(enrollment_of(row), enrollment))
        connection.execute(_REPLACE, {**this, **{f"new_{name}": new[name] for name in _REPLACED}})

    def _enrollment(self, connection: Connection, account_id: str, enrollment_id: str) -> Enrollment:
        row = connection.execute(_ONE, {"of_account": account_id, "of_enrollment": enrollment_id}).one_or_none()
        if row is None:
            raise _not_found(enrollment_id)
        return enrollment_of(row)


def enrollment_of(row: Row[Any]) -> Enrollment:
    """The enrollment in a row of `app_enrollment`."""
    schedule = None
    if row.cron is not None:
        operation = Operation(row.schedule_operation)
        schedule = Schedule(row.cron, row.time_zone, row.jitter_seconds, operation, row.schedule_full)
    return Enrollment(
        enrollment_id=row.enrollment_id,
        name=row.name,
        connector=row.connector,
        settings=row.settings,
        sealed_secrets=row.sealed_secrets,
        enabled=row.enabled,
        created_at=row.created_at,
        modified_at=row.modified_at,
        modified_by=row.modified_by,
        read_cursor=row.read_cursor,
        write_cursor=row.write_cursor,
        schedule=schedule,
        next_run_at=row.next_run_at,
        scheduled_request_id=row.scheduled_request_id,
    )


def _row_of(enrollment: Enrollment) -> dict[str, Any]:
    """The enrollment's row, without the account."""
    row = {field.name: getattr(enrollment, field.name) for field in fields(enrollment) if field.name != "schedule"}
    schedule = enrollment.schedule
    row |= {
        "cron": schedule and schedule.cron,
        "time_zone": schedule and schedule.time_zone,
        "jitter_seconds": schedule and schedule.jitter_seconds,
        "schedule_operation": schedule and schedule.operation.value,
        "schedule_full": schedule and schedule.run_full_sync,
    }
    return row


def _not_found(enrollment_id: str) -> EnrollmentNotFound:
    return EnrollmentNotFound(f"there is no app enrollment {enrollment_id}")


def _name_taken(name: str) -> NameTaken:
    return NameTaken(f"another app enrollment of the account is called {name}")
