"""What the server says of sync requests and app enrollments that it cannot do."""

from __future__ import annotations

from syncline.client.errors import SyncError


class EnrollmentNotFound(SyncError):
    """There is no such enrollment, or it is disabled where it is needed."""


class EnrollmentChanged(SyncError):
    """Somebody changed the enrollment since it was read. Read it again."""


class EnrollmentBusy(SyncError):
    """A sync request of the enrollment has not ended."""


class NameTaken(SyncError):
    """Another enrollment has the name."""


class SyncRequestNotFound(SyncError):
    """There is no such sync request."""


class WrongSyncRequestState(SyncError):
    """The sync request has ended, so that it cannot be cancelled; or it has not, and the call needs its end."""


class RequestIdReused(SyncError):
    """The `request_id` was used for something else."""


class BatchInvalid(SyncError):
    """The batch does not belong where it says: parent, number or total are wrong."""


class LeaseLost(SyncError):
    """Another worker runs the sync request now, or it has ended. Stop; nothing more of this worker is taken."""


class BatchOutOfOrder(SyncError):
    """A batch of rows was left out, or came again after a later one."""


class FilterInvalid(SyncError):
    """The filter or the order of a list cannot be understood."""

    @property
    def position(self) -> int:
        """Where in the filter, from 1; 0: it is not known."""
        return self.failure.number("position")

    @property
    def expected(self) -> str:
        """What would be right there; empty: it is not known."""
        return self.failure.metadata.get("expected", "")


class ConnectorNotFound(SyncError):
    """No such connector is installed on the server, or it cannot do this operation."""


class ConnectorFailed(SyncError):
    """The connected system is not there, or not as it must be; the message says why."""


class PayloadInvalid(SyncError):
    """The uploaded file cannot be taken; the message says why."""


class PageTokenInvalid(SyncError):
    """The page token is none of this list, or of another filter."""
