"""What a store raises. Nothing else leaves it: a driver's error is chained behind one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncline.storage.models import Feed


class StoreError(Exception):
    """The base of all of a store's errors."""


class StoreUnavailable(StoreError):
    """The database is not reachable, too busy, or refused the transaction after several tries. Try again."""


class StoreVersionMismatch(StoreError):
    """The database was migrated for an older or a newer program. The message says what to run."""


class AccountNotFound(StoreError):
    """There is no such account."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"there is no account {account_id!r}")
        self.account_id = account_id


class ObjectTypeNotFound(StoreError):
    """The account's schema has no such object type."""

    def __init__(self, object_type: str) -> None:
        super().__init__(f"there is no object type {object_type!r}")
        self.object_type = object_type


class ScopeNotFound(StoreError):
    """The account's schema has no such scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"there is no scope {scope!r}")
        self.scope = scope


class SchemaChanged(StoreError):
    """The schema in force is not the one that the caller read. Read it and decide again."""


class DeviceNotFound(StoreError):
    """The account has no such device."""


class SessionNotFound(StoreError):
    """The device has no such session."""


class SessionExpired(StoreError):
    """The session has ended by time."""


class StreamSuperseded(StoreError):
    """A newer stream of the same device took over."""


class FetchRaced(StoreError):
    """Another call took the session's next page first. Read the session and try again."""


class ResyncRequired(StoreError):
    """The device must load these feeds from their beginning; empty means all of its feeds."""

    def __init__(self, feeds: Sequence[Feed], why: str) -> None:
        super().__init__(why)
        self.feeds = tuple(feeds)


class LimitReached(StoreError):
    """A stated limit is used up."""

    def __init__(self, subject: str, limit: int) -> None:
        super().__init__(f"the limit of {limit} {subject} is reached")
        self.subject = subject
        self.limit = limit


class InvalidValue(StoreError):
    """A value that no store can keep, such as a NUL character in a key."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class StoreEpochChanged(StoreError):
    """The device speaks of another history than the account's."""


class SeqReused(StoreError):
    """Another change went under this number."""

    def __init__(self, change_seq: int, next_change_seq: int) -> None:
        super().__init__(f"another change of this device went as number {change_seq}; go on from {next_change_seq}")
        self.change_seq = change_seq
        self.next_change_seq = next_change_seq


class SeqSettled(StoreError):
    """The device has told that it settled this number, and its verdict is not known any more.

    The same holds of all changes that were sent after it, up to `last_change_seq`.
    """

    def __init__(self, change_seq: int, last_change_seq: int | None = None) -> None:
        super().__init__(f"the change number {change_seq} was settled long ago; its verdict is not known any more")
        self.change_seq = change_seq
        self.last_change_seq = change_seq if last_change_seq is None else last_change_seq


class DeviceDisabled(StoreError):
    """The device is disabled: no call of it is answered until it is enabled."""


class DeviceWiped(StoreError):
    """The device is to remove its copy. What goes with it says whose that is, and how to send its changes before."""

    def __init__(self, *, account_id: str, upload_first: bool, store_epoch: int, settled_through: int) -> None:
        super().__init__("the device is to remove its copy")
        self.account_id = account_id
        self.upload_first = upload_first
        self.store_epoch = store_epoch
        self.settled_through = settled_through


class WipeNotAsked(StoreError):
    """A device says that it removed its copy, and nobody asked for that."""


class StaleDevice(StoreError):
    """The device tells of verdicts that it was never given here: it was forgotten since."""


class ApiKeyNotFound(StoreError):
    """The account has no such API key."""


class ApiKeyTaken(StoreError):
    """There is an API key with this prefix already, in whatever account."""


# App enrollments and sync requests


class EnrollmentNotFound(StoreError):
    """There is no such enrollment, or it is disabled where it is needed."""


class EnrollmentChanged(StoreError):
    """The enrollment is not as it was expected to be: somebody changed it meanwhile."""


class EnrollmentBusy(StoreError):
    """A request of the enrollment has not ended."""


class NameTaken(StoreError):
    """Another enrollment of the account has the name."""


class RequestNotFound(StoreError):
    """There is no such sync request."""


class RequestIdReused(StoreError):
    """The idempotency key was used for something else."""


class RequestEnded(StoreError):
    """The sync request has ended; nothing can be done about it any more."""


class PayloadGone(StoreError):
    """The payload of the sync request that is to be repeated was removed."""


class BatchInvalid(StoreError):
    """The batch does not belong where it says: parent, number or total are wrong."""


class LeaseLost(StoreError):
    """Somebody else runs the request now, or it has ended: whoever held the lease must stop."""


class BatchOutOfOrder(StoreError):
    """A batch was left out, or came again after a later one."""
