"""App enrollments in the model."""

from __future__ import annotations

from syncline.storage.audit_models import Act
from syncline.storage.errors import EnrollmentBusy, EnrollmentChanged, NameTaken
from syncline.storage.limits import check_act, check_text
from syncline.storage.memory.state import MemoryState
from syncline.storage.request_models import Enrollment
from syncline.storage.request_moves import check_enrollment, replaced


class MemoryEnrollments(MemoryState):
    """`EnrollmentStore`."""

    def put_enrollment(
        self, account_id: str, enrollment: Enrollment, *, expected_modified_at: int | None, act: Act | None = None
    ) -> Enrollment:
        """See `EnrollmentStore.put_enrollment`."""
        check_enrollment(enrollment)
        check_act(act)
        with self._transaction(account_id) as account:
            kept = enrollment
            if expected_modified_at is not None:
                before = account.enrollment(enrollment.enrollment_id)
                if before.modified_at != expected_modified_at:
                    raise EnrollmentChanged("somebody changed the enrollment meanwhile")
                kept = replaced(before, enrollment)
            elif enrollment.enrollment_id in account.enrollments:
                raise EnrollmentChanged("the enrollment is there already")
            for other in account.enrollments.values():
                if other.name == enrollment.name and other.enrollment_id != enrollment.enrollment_id:
                    raise NameTaken(f"another enrollment has the name {enrollment.name!r}")
            account.enrollments[enrollment.enrollment_id] = kept
            account.note_act(act)
            return kept

    def get_enrollment(self, account_id: str, enrollment_id: str) -> Enrollment:
        """See `EnrollmentStore.get_enrollment`."""
        check_text("enrollment_id", enrollment_id)
        with self._transaction(account_id) as account:
            return account.enrollment(enrollment_id)

    def list_enrollments(self, account_id: str) -> list[Enrollment]:
        """See `EnrollmentStore.list_enrollments`."""
        with self._transaction(account_id) as account:
            return sorted(account.enrollments.values(), key=lambda enrollment: enrollment.name)

    def remove_enrollment(self, account_id: str, enrollment_id: str, *, act: Act | None = None) -> None:
        """See `EnrollmentStore.remove_enrollment`."""
        check_act(act)
        check_text("enrollment_id", enrollment_id)
        with self._transaction(account_id) as account:
            account.enrollment(enrollment_id)
            for row in account.requests.values():
                if row.request.enrollment_id == enrollment_id and not row.request.status.is_final:
                    raise EnrollmentBusy(f"the sync request {row.request.request_id} has not ended")
            del account.enrollments[enrollment_id]
            account.sources.pop(enrollment_id, None)
            account.note_act(act)
