"""App enrollments: the connected systems of an account, and what their schedules make."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.audit_models import Act
from syncline.storage.request_models import Enrollment, NewRequest, SyncRequest


class EnrollmentStore(Protocol):
    """Enrollments by their id."""

    def put_enrollment(
        self, account_id: str, enrollment: Enrollment, *, expected_modified_at: int | None, act: Act | None = None
    ) -> Enrollment:
        """Store a new enrollment, or replace one as it was at `expected_modified_at` (None: it must be new).

        Of one that is there, the cursors and the last scheduled request stay as they are, whatever is given; so does
        `next_run_at` unless `schedule` or `enabled` changes. Answers it as it stands.

        Raises:
            EnrollmentNotFound: it is to be replaced, and is not there.
            EnrollmentChanged: it was replaced meanwhile, or is there though it should be new.
            NameTaken: another enrollment of the account has the name.
        """

    def get_enrollment(self, account_id: str, enrollment_id: str) -> Enrollment:
        """One enrollment, or `EnrollmentNotFound`."""

    def list_enrollments(self, account_id: str) -> list[Enrollment]:
        """All of the account, by name."""

    def remove_enrollment(self, account_id: str, enrollment_id: str, *, act: Act | None = None) -> None:
        """Remove the enrollment and what is known of its sources; its requests and records stay.

        Raises:
            EnrollmentNotFound: it is not there.
            EnrollmentBusy: a request of it is not final.
        """


class ScheduleStore(Protocol):
    """Enrollments whose schedules make requests. Who calls it knows the calendar, the store does not."""

    def due_schedules(self, *, now: int, limit: int) -> list[tuple[str, Enrollment]]:
        """Enabled enrollments whose `next_run_at` has come, each with its account: the longest due first.

        Crosses accounts: a worker serves them all.
        """

    def run_schedule(
        self, account_id: str, due: Enrollment, *, next_run_at: int, new: NewRequest, now: int
    ) -> SyncRequest | None:
        """Make the request that is due, and move the enrollment on to `next_run_at`: one transaction.

        Only if the enrollment's `next_run_at` and `modified_at` are still those of `due`; else it was changed or
        removed, or another worker was quicker, and nothing happens. Of all who saw a time come, one makes a request.

        Runs do not pile up: while the request that the schedule made last has not ended, none is made, and the
        enrollment is moved on all the same. Nor is one made under an idempotency key that is known.

        Args:
            account_id: the enrollment's.
            due: as `due_schedules` gave it.
            next_run_at: the time after this one; 0: there is none.
            new: of this enrollment, without payload and parent.
            now: when the request is made.

        Returns:
            The request, or None if none was made.
        """
