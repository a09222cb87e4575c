"""Why changes are rejected: one class per reason. They are read from an answer; no call raises them."""

from __future__ import annotations

from syncline.client.errors import SyncError


class ChangeRejected(SyncError):
    """The server refused a change; see `reason`, `message`, `field_violations` and `metadata`.

    Its author may mend it and send it as a new change. Of this class itself if this version does not know the reason.
    """

    @property
    def message(self) -> str:
        """Why, in words."""
        return str(self)


class ChangeInvalid(ChangeRejected):
    """The change breaks a rule of the schema or of changes; `field_violations` names the field."""


class ChangeTooLarge(ChangeRejected):
    """The change, its transaction or the record that it makes is larger than allowed."""


class GroupIncomplete(ChangeRejected):
    """The changes of the transaction did not come together in one message."""


class GroupRejected(ChangeRejected):
    """Another change of the same transaction was refused."""

    @property
    def change_seq(self) -> int:
        """The number of that change."""
        return self.failure.number("change_seq")


class KeyTaken(ChangeRejected):
    """The key belongs to a record that the device must not see, or whose object type does not bring two together."""


class KeyChanged(ChangeRejected):
    """The change would give the record another key."""


class BaseFromFuture(ChangeRejected):
    """The change says that it was made on a revision that the server has not reached yet."""


class TypeReadOnly(ChangeRejected):
    """Devices may not write records of this object type."""


class BucketNotGranted(ChangeRejected):
    """The bucket is not granted to the device."""


class ConflictRefused(ChangeRejected):
    """Others changed the record, and its object type wants such changes refused."""


class ResolverFailed(ChangeRejected):
    """The object type's resolver failed or refused the change."""


class StoreRefused(ChangeRejected):
    """The server's database did not take the change."""
