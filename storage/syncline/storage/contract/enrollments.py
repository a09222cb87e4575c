"""App enrollments: the connected systems of an account."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.request_models import Enrollment


class EnrollmentStore(Protocol):
    """Enrollments by their id."""

    def put_enrollment(
        self, account_id: str, enrollment: Enrollment, *, expected_modified_at: int | None
    ) -> Enrollment:
        """Store a new enrollment, or replace one as it was at `expected_modified_at` (None: it must be new).

        The cursors of one that is there stay as they are, whatever is given. Answers it as it stands.

        Raises:
            EnrollmentNotFound: it is to be replaced, and is not there.
            EnrollmentChanged: it was replaced meanwhile, or is there though it should be new.
            NameTaken: another enrollment of the account has the name.
        """

    def get_enrollment(self, account_id: str, enrollment_id: str) -> Enrollment:
        """One enrollment, or `EnrollmentNotFound`."""

    def list_enrollments(self, account_id: str) -> list[Enrollment]:
        """All of the account, by name."""

    def remove_enrollment(self, account_id: str, enrollment_id: str) -> None:
        """Remove the enrollment and what is known of its sources; its requests and records stay.

        Raises:
            EnrollmentNotFound: it is not there.
            EnrollmentBusy: a request of it is not final.
        """
