"""Devices and the buckets they are granted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from syncline.storage.models import Device


class DeviceStore(Protocol):
    """Devices, grants, and which stream of a device is its newest."""

    def register_device(self, account_id: str, device_uuid: UUID, *, now: int) -> Device:
        """Create the device with a grant of the default bucket; if it exists, only answer it."""

    def get_device(self, account_id: str, device_uuid: UUID) -> Device:
        """The device.

        Raises:
            DeviceNotFound: never registered.
        """

    def list_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[Device]:
        """The next `limit` devices above `after`, by UUID."""

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
