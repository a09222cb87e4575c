"""What the server itself raises. The interceptor's table gives each a status and a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syncline.server.limits import VIOLATIONS_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence


class Violation(NamedTuple):
    """One broken rule of a request."""

    field: str
    """The field's path, such as `positions[3].position`."""
    rule: str
    """The rule, in words."""


class ServerError(Exception):
    """The base of what the server itself raises."""


class InvalidRequest(ServerError):
    """Fields of a request break rules."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{field}: {rule}" for field, rule in violations))
        self.violations = tuple(violations)


class DeviceUuidInvalid(ServerError):
    """The call does not name its device by a UUID."""


class Draining(ServerError):
    """The server is stopping."""

    def __init__(self) -> None:
        super().__init__("the server is stopping; try again on another connection")


class AckOverdue(ServerError):
    """Pages of a stream were left unacknowledged for too long."""

    def __init__(self, pages: int, seconds: float) -> None:
        super().__init__(f"{pages} pages are unacknowledged, and none was acknowledged for {seconds:g} seconds")


class StreamUnread(ServerError):
    """The client of a stream took no message for too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing of the stream was read for {seconds:g} seconds")


class Unauthenticated(ServerError):
    """A call does not prove who makes it. The message helps its rightful caller, and nobody to guess."""


class PermissionDenied(ServerError):
    """The caller lacks the right to make a call."""

    def __init__(self, permission: str | None) -> None:
        super().__init__(
            f"the caller lacks the permission '{permission}'" if permission else "nobody may make this call"
        )


class DeviceOfAnother(ServerError):
    """The device belongs to another principal."""

    def __init__(self) -> None:
        super().__init__("the device belongs to another principal; a device is used by one")


class TooManyCalls(ServerError):
    """The server has as many calls open as it takes."""

    def __init__(self, subject: str, limit: int) -> None:
        super().__init__(f"the server has {limit} {subject} open, which is its limit")
        self.subject = subject
        self.limit = limit


class OverLimit(ServerError):
    """The caller, its account or the server uses as much as it may."""

    def __init__(self, subject: str, description: str, retry_seconds: float | None) -> None:
        when = "" if retry_seconds is None else f"; try again in {retry_seconds:.1f} s"
        super().__init__(f"{subject}: {description}{when}")
        self.subject = subject
        """Of whom, and of what: never who."""
        self.description = description
        self.retry_seconds = retry_seconds
        """After this it may be tried again; None: not before something is given up."""


class AnswersTooLarge(ServerError):
    """The answers to one message of changes do not fit one message; the first of them were sent."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"the answers of one message take more than {bytes_max:,} bytes; send the rest again")


class SchemaChangeRefused(ServerError):
    """The schema change takes something away."""

    def __init__(self, refused: Sequence[Violation]) -> None:
        super().__init__("the change is refused: " + "; ".join(f"{path}: {what}" for path, what in refused))
        self.refused = tuple(refused)
        """Path and description of each difference that is not allowed."""


class ConnectorNotFound(ServerError):
    """No such connector is installed, or it cannot do what is asked."""

    def __init__(self, connector: str, why: str) -> None:
        super().__init__(why)
        self.connector = connector


class ConnectorFailed(ServerError):
    """The connected system is not there, or not as it must be. The text has no secrets."""


class RequestState(ServerError):
    """The sync request is not in the state that the call needs."""

    def __init__(self, sync_request_id: str, why: str) -> None:
        super().__init__(why)
        self.sync_request_id = sync_request_id


class FilterInvalid(ServerError):
    """A filter or an order of a list is not one of the language."""

    def __init__(self, position: int, expected: str, message: str, *, field: str = "filter") -> None:
        super().__init__(f"{field}, position {position}: {message}")
        self.position = position
        """The character at which it goes wrong, from 1."""
        self.expected = expected
        """What could stand there, for people."""
        self.rule = message
        self.field = field
        """The request's field: `filter` or `order_by`."""


class PageTokenInvalid(ServerError):
    """The page token is none of this list, or of another filter or order."""

    def __init__(self) -> None:
        super().__init__("the page token is none of this list with this filter and order; begin with the first page")


class PayloadInvalid(ServerError):
    """The uploaded file cannot be taken."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{entry}: {what}" for entry, what in faults[:VIOLATIONS_MAX]))
        self.faults = tuple(faults[:VIOLATIONS_MAX])
        """The name of an entry, or the field of the request that the file as a whole breaks, and what is wrong."""


class DeadlineReached(ServerError):
    """A call took longer than any may. What it began may still be done."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the call took more than {seconds:g} seconds, the most that this server allows")


class SettingsInvalid(ServerError):
    """The server cannot start as it is configured."""
