"""What the client raises. One class per meaning; for errors of the server, one per reason of `ErrorReason`.

The reasons for which a change is rejected stand in `rejections`, those about sync requests and enrollments in
`request_errors`, the class for each reason in `reasons`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    import grpc

    from syncline.client.items import Meta


class Feed(NamedTuple):
    """The records of one scope in one bucket."""

    scope: str
    bucket: str


class FieldViolation(NamedTuple):
    """A field of a request that breaks a rule."""

    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known about a failed call besides its message."""

    reason: str = ""
    """A name of `syncline.v1.ErrorReason`; empty if the call failed before a server of Syncline answered."""
    status: grpc.StatusCode | None = None
    """None: the client itself found the fault."""
    field_violations: tuple[FieldViolation, ...] = ()
    feeds: tuple[Feed, ...] = ()
    retry_after: float | None = None
    request_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What goes with the reason."""

    def number(self, name: str) -> int:
        """A number of the metadata; 0 if it is missing, which no number that goes with a reason is."""
        text = self.metadata.get(name, "")
        return int(text) if text.isascii() and text.isdecimal() else 0


class SyncError(Exception):
    """The base of all errors of this client. The gRPC error, if there was one, is its `__cause__`."""

    _PASSES: ClassVar[bool] = False

    def __init__(self, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.failure = failure or Failure()

    @property
    def transient(self) -> bool:
        """True: the same may succeed later. `sync` then goes on by itself, with a new session."""
        return self._PASSES or self.retry_after is not None

    @property
    def reason(self) -> str:
        """The name of the `ErrorReason`; empty if no server of Syncline answered."""
        return self.failure.reason

    @property
    def status(self) -> grpc.StatusCode | None:
        """The status of the call; None if the client itself found the fault."""
        return self.failure.status

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        """The fields of the request that break a rule."""
        return self.failure.field_violations

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feeds that the error is about; empty means all of them, or none in particular."""
        return self.failure.feeds

    @property
    def retry_after(self) -> float | None:
        """After how many seconds the server wants to be asked again, if it said so."""
        return self.failure.retry_after

    @property
    def request_id(self) -> str:
        """The id under which the server's log has the details, if it gave one."""
        return self.failure.request_id

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the server says besides, in its own words for machines; which names there are depends on the reason."""
        return self.failure.metadata


# Reasons that the server gives


class InvalidField(SyncError):
    """A field of the request breaks a rule; see `field_violations`."""


class DeviceUuidInvalid(SyncError):
    """The server did not take the device's UUID."""


class SessionNotFound(SyncError):
    """There is no such session of this device."""

    _PASSES = True


class SessionExpired(SyncError):
    """The session has ended by time."""

    _PASSES = True


class ResyncRequired(SyncError):
    """The device must load `feeds` from their beginning; empty means all."""


class Superseded(SyncError):
    """A newer stream of the same device took over. Two programs must not share a device UUID."""


class AckOverdue(SyncError):
    """Pages were left unacknowledged for too long."""

    _PASSES = True


class ScopeNotFound(SyncError):
    """There is no such scope."""


class ObjectTypeNotFound(SyncError):
    """There is no such object type."""


class SchemaChangeRefused(SyncError):
    """The schema change takes something away."""


class SchemaChanged(SyncError):
    """Another schema change came first."""


class LimitReached(SyncError):
    """A stated limit is reached, such as 1,000 rejected items of one device.

    With `retry_after` it is one that passes, such as calls of a principal; `sync` then waits by itself, within reason.
    """


class Draining(SyncError):
    """The server is stopping."""

    _PASSES = True


class StoreUnavailable(SyncError):
    """The server's database is not reachable or too busy."""

    _PASSES = True


class InternalError(SyncError):
    """A fault of the server; its log has the details under `request_id`."""


class Unauthenticated(SyncError):
    """The server does not know who calls: there is no token, or it is none that is valid now."""

    renewed = False
    """The client has got another token meanwhile, with which the same may succeed."""

    @property
    def transient(self) -> bool:
        """See `SyncError`."""
        return self.renewed


class PermissionDenied(SyncError):
    """The caller is known, and may not do this; the message names the permission that it takes."""


class DeviceOfAnother(SyncError):
    """The device belongs to another principal than the token is of. Nothing of it was told."""


class AccountNotFound(SyncError):
    """There is no such account."""


class StoreEpochChanged(SyncError):
    """The server's history is another one than the device knows: a backup was restored. Nothing was decided.

    Start a session, and queue again what has no verdict.
    """


class SeqReused(SyncError):
    """Another change went under `change_seq`: the device was put back from a copy, or its file was copied.

    Number this change and all later ones anew, from `next_change_seq`.
    """

    @property
    def change_seq(self) -> int:
        """The number that cannot be used."""
        return self.failure.number("change_seq")

    @property
    def next_change_seq(self) -> int:
        """The lowest number that no change of the device was decided under."""
        return self.failure.number("next_change_seq")


class SeqSettled(SyncError):
    """The device told that it has the verdict of `change_seq`, and the server does not know it any more."""

    @property
    def change_seq(self) -> int:
        """The number of the change."""
        return self.failure.number("change_seq")

    @property
    def last_change_seq(self) -> int:
        """The same holds of the changes that were sent after it in the same message, up to this number."""
        return self.failure.number("last_change_seq") or self.change_seq


class StaleDevice(SyncError):
    """The server does not know the device that the numbers of the changes speak of: it was forgotten."""


class DeviceNotFound(SyncError):
    """The account has no such device; or it was forgotten, and is a new one with its next session."""

    _PASSES = True


class DeviceDisabled(SyncError):
    """Somebody has disabled the device. What it has stays as it is until it is enabled again."""


class WipeAsked(SyncError):
    """Somebody wants the device's copy removed. `Replica` does so by itself; `confirm_wipe` says that it is gone."""

    @property
    def account(self) -> str:
        """The account whose copy is meant, and no other's."""
        return self.metadata.get("account", "")

    @property
    def upload_first(self) -> bool:
        """Is it to send what it has not sent before?"""
        return self.metadata.get("upload_first") == "true"

    @property
    def store_epoch(self) -> str:
        """The server's history, to upload under."""
        return self.metadata.get("store_epoch", "")

    @property
    def settled_through(self) -> int:
        """Up to where the server knows that verdicts are stored."""
        return self.failure.number("settled_through")


class WipeNotAsked(SyncError):
    """Nobody wants the device's copy removed, or not any more."""


# Calls that failed without a reason of ours


class CallFailed(SyncError):
    """The call failed with a status alone, or with a reason that this version does not know; see `status`."""


class ConnectionLost(CallFailed):
    """The server could not be reached, or went away in the middle of the call."""

    _PASSES = True


class DeadlineExceeded(CallFailed):
    """The server did not answer in time: in the client's, or in the longest that the server lets a call take."""

    _PASSES = True


class Overloaded(CallFailed):
    """The server has too much to do, or a message is larger than the other side takes."""

    _PASSES = True


class CallCancelled(CallFailed):
    """The call was cancelled, by closing the client or by something between it and the server."""

    _PASSES = True


# What the client itself finds


class InvalidOption(SyncError, ValueError):
    """An argument of the client makes no sense. The message says which, and what would."""


class TokenUnavailable(SyncError):
    """The function that gives the token failed, or gave none that can be sent. Its exception is the `__cause__`.

    It passes if that is an `OSError`, such as a network or a file that is not there.
    """

    @property
    def transient(self) -> bool:
        """See `SyncError`."""
        return isinstance(self.__cause__, OSError)


class DeviceFileError(SyncError):
    """The file that keeps the device's UUID cannot be read or made, or holds something else."""


class ClientClosed(SyncError):
    """The client was closed."""


class AlreadySyncing(SyncError):
    """This client is in `sync` already. A device has one stream at a time."""


class PageMissing(SyncError):
    """A page of the queue did not arrive, or the stream ended before its checkpoint."""

    _PASSES = True


class PageInvalid(SyncError):
    """The server sent a page that breaks the contract."""


class AnswerMissing(SyncError):
    """The server ended an upload without answering all changes. What has no answer is to be sent again."""

    _PASSES = True


class AnswerInvalid(SyncError):
    """The server sent an answer that breaks the contract."""


class NothingInFlight(SyncError):
    """`receive` was called while every message of the upload was answered. It would have waited for ever."""


class HandlerError(SyncError):
    """The handler answered something that is no answer; mostly a forgotten `return`.

    What was handled before this item is acknowledged; this item comes again.
    """

    def __init__(self, meta: Meta, answer: object) -> None:
        hint = " (a forgotten return?)" if answer is None else ""
        super().__init__(
            f"the handler answered {answer!r} for {meta.object_type} {meta.key!r}{hint}; "
            "it must answer Ack.ACK, Ack.NACK or Nack(reason)"
        )
        self.meta = meta
        self.answer = answer
