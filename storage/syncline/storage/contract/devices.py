"""Devices and the buckets they are granted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from syncline.storage.audit_models import Act
from syncline.storage.models import Device, DeviceAccess, DeviceReport


class DeviceStore(Protocol):
    """Devices, grants, and which stream of a device is its newest."""

    def register_device(self, account_id: str, device_uuid: UUID, *, now: int, principal: str = "") -> Device:
        """Create the device with a grant of the default bucket; if it exists, only answer it.

        It belongs to the first principal that is not empty; who that is, is answered. Whether another one may use it is
        the caller's business.
        """

    def get_device(self, account_id: str, device_uuid: UUID) -> Device:
        """The device.

        Raises:
            DeviceNotFound: never registered.
        """

    def list_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[Device]:
        """The next `limit` devices above `after`, by UUID."""

    def report_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[DeviceReport]:
        """The next `limit` devices above `after`, by UUID, each with how far it is."""

    def report_device(self, account_id: str, device_uuid: UUID) -> DeviceReport:
        """One device and how far it is, or `DeviceNotFound`."""

    def set_access(
        self, account_id: str, device_uuid: UUID, access: DeviceAccess, *, upload_first: bool = False, act: Act
    ) -> Device:
        """Enable or disable the device, or ask it to remove its copy; keep the act, and answer the device.

        One that is not enabled keeps all that is known of it. Queues, acknowledgements, changes and comparisons of a
        disabled device raise `DeviceDisabled`, those of one that is to be wiped, or was, `DeviceWiped`; but one that is
        to be wiped with `upload_first` may bring changes, expired or not. Expiry does not ask for access.

        Raises:
            DeviceNotFound: never registered.
        """

    def confirm_wipe(self, account_id: str, device_uuid: UUID, *, act: Act) -> Device:
        """Note that the device has removed its copy: it is WIPED, and holds back no tombstones any more.

        Again, it does nothing.

        Raises:
            DeviceNotFound: never registered.
            WipeNotAsked: it was not to do so.
        """

    def forget_device(self, account_id: str, device_uuid: UUID, *, act: Act) -> None:
        """Remove all that is known of the device, and keep the act. The log of conflicts stays.

        If it comes back it is new: positions it tells are of no grant, its changes `StaleDevice`.

        Raises:
            DeviceNotFound: never registered.
        """

    def count_devices(self, account_id: str) -> int:
        """How many devices the account has, expired ones included."""

    def touch_device(self, account_id: str, device_uuid: UUID, *, now: int) -> None:
        """Note that the device was in contact. Does not revive an expired one. Never moves contact backwards."""

    def open_stream(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """Make this the device's newest stream: reads for another one raise `StreamSuperseded` from now on."""

    def grant_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """Grant these buckets.

        One that is granted already keeps its grant; one that was taken away and is given back gets a new grant, so
        that the device loads it anew.
        """

    def revoke_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """Take these buckets away; those not granted are ignored. The device's positions in them go."""

    def list_grants(self, account_id: str, device_uuid: UUID) -> dict[str, int]:
        """The granted buckets with the id of each grant (random, never reused)."""
