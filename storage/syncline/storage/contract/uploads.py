"""Changes of devices: decided once, with a receipt for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from syncline.storage.upload_models import Change, Conflict, CurrentRecord, Decision, UploadBatch, UploadOutcome

Judge = Callable[[Change, CurrentRecord | None, bool], Decision]
"""Decides one change: the change, the record as it stands (None: absent, deleted, or not to be seen by the device), and
whether others than this device wrote it above the change's base revision.

It is called inside the transaction while the account's writers wait, perhaps again when the transaction is tried again.
It must depend on nothing but its arguments.
"""


class UploadStore(Protocol):
    """Deciding changes, and the log of conflicts."""

    def open_upload(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """Make this the device's newest upload stream: batches of another one raise `StreamSuperseded` from now on.

        Raises:
            DeviceNotFound: never registered.
        """

    def upload(self, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        """Decide changes in one transaction: receipts are looked up, records written, receipts left (G3, G6, G7).

        The transaction begins by advancing the account's head; every read that decides something comes later. The
        rules are those of `syncline.storage.upload_plan.UploadPlan`. Receipts stay until `collect` removes them.
        `settled_through` of the device never goes back. It is contact, as in `open_queue`.

        Raises:
            DeviceNotFound: never registered.
            StreamSuperseded: `stream_id` is not the device's newest upload stream.
            StoreEpochChanged: the batch names another history.
            StaleDevice: it tells of verdicts that were never given here.
            ResyncRequired: the device has expired: it downloads first.
            ObjectTypeNotFound: a change without a refusal is of an unknown type; nothing is decided.
            LimitReached: more than 1,000 changes, or a frame too large; nothing is decided.
        """

    def list_conflicts(
        self,
        account_id: str,
        device_uuid: UUID,
        *,
        all_devices: bool,
        object_type: str | None,
        key: str | None,
        before_id: int | None,
        limit: int,
    ) -> list[Conflict]:
        """The next `limit` conflicts below `before_id`, newest first.

        The device's own, or with `all_devices` those of every device in the buckets that it is granted.

        Raises:
            DeviceNotFound: never registered.
        """
