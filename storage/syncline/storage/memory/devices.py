"""Devices and grants in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from syncline.storage.identity import random_id
from syncline.storage.limits import check_texts
from syncline.storage.memory.state import DeviceRow, MemoryState
from syncline.storage.models import Device, DeviceState


class MemoryDevices(MemoryState):
    """`DeviceStore`."""

    def register_device(self, account_id: str, device_uuid: UUID, *, now: int) -> Device:
        """See `DeviceStore.register_device`."""
        with self._transaction(account_id) as account:
            fresh = Device(
                device_uuid=device_uuid,
                state=DeviceState.ACTIVE,
                created_at=now,
                last_contact=now,
                stream_id=0,
                session_id="",
                client="",
            )
            return account.devices.setdefault(device_uuid, DeviceRow(fresh, grants={"": random_id()})).device

    def get_device(self, account_id: str, device_uuid: UUID) -> Device:
        """See `DeviceStore.get_device`."""
        with self._transaction(account_id) as account:
            return account.device(device_uuid).device

    def list_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[Device]:
        """See `DeviceStore.list_devices`."""
        with self._transaction(account_id) as account:
            uuids = sorted(known for known in account.devices if after is None or known > after)
            return [account.devices[device_uuid].device for device_uuid in uuids[:limit]]

    def touch_device(self, account_id: str, device_uuid: UUID, *, now: int) -> None:
        """See `DeviceStore.touch_device`."""
        with self._transaction(account_id) as account:
            account.device(device_uuid).note_contact(now)

    def open_stream(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """See `DeviceStore.open_stream`."""
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            row.device = replace(row.device, stream_id=stream_id)

    def grant_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """See `DeviceStore.grant_buckets`."""
        check_texts("buckets", buckets)
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            for bucket in buckets:
                row.grants.setdefault(bucket, random_id())

    def revoke_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """See `DeviceStore.revoke_buckets`."""
        check_texts("buckets", buckets)
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            row.grants = {bucket: grant for bucket, grant in row.grants.items() if bucket not in buckets}
            row.positions = {feed: kept for feed, kept in row.positions.items() if feed.bucket not in buckets}

    def list_grants(self, account_id: str, device_uuid: UUID) -> dict[str, int]:
        """See `DeviceStore.list_grants`."""
        with self._transaction(account_id) as account:
            return dict(account.device(device_uuid).grants)
