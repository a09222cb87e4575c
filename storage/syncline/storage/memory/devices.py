"""Devices and grants in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from syncline.storage.audit_models import Act
from syncline.storage.errors import WipeNotAsked
from syncline.storage.identity import random_id
from syncline.storage.limits import check_act, check_text, check_texts
from syncline.storage.memory.collection import expire_device
from syncline.storage.memory.state import AccountState, DeviceRow, MemoryState
from syncline.storage.memory.statistics import lag_of, served_positions
from syncline.storage.models import Device, DeviceAccess, DeviceReport, DeviceState


class MemoryDevices(MemoryState):
    """`DeviceStore`."""

    def register_device(self, account_id: str, device_uuid: UUID, *, now: int, principal: str = "") -> Device:
        """See `DeviceStore.register_device`."""
        check_text("principal", principal)
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
            row = account.devices.setdefault(device_uuid, DeviceRow(fresh, grants={"": random_id()}))
            row.device = replace(row.device, principal=row.device.principal or principal)
            return row.device

    def get_device(self, account_id: str, device_uuid: UUID) -> Device:
        """See `DeviceStore.get_device`."""
        with self._transaction(account_id) as account:
            return account.device(device_uuid).device

    def list_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[Device]:
        """See `DeviceStore.list_devices`."""
        with self._transaction(account_id) as account:
            uuids = sorted(known for known in account.devices if after is None or known > after)
            return [account.devices[device_uuid].device for device_uuid in uuids[:limit]]

    def report_devices(self, account_id: str, *, after: UUID | None, limit: int) -> list[DeviceReport]:
        """See `DeviceStore.report_devices`."""
        with self._transaction(account_id) as account:
            uuids = sorted(known for known in account.devices if after is None or known > after)
            return [_report(account, account.devices[device_uuid]) for device_uuid in uuids[:limit]]

    def report_device(self, account_id: str, device_uuid: UUID) -> DeviceReport:
        """See `DeviceStore.report_device`."""
        with self._transaction(account_id) as account:
            return _report(account, account.device(device_uuid))

    def set_access(
        self, account_id: str, device_uuid: UUID, access: DeviceAccess, *, upload_first: bool = False, act: Act
    ) -> Device:
        """See `DeviceStore.set_access`."""
        check_act(act)
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            row.device = replace(row.device, access=access, upload_first=upload_first)
            account.note_act(act)
            return row.device

    def confirm_wipe(self, account_id: str, device_uuid: UUID, *, act: Act) -> Device:
        """See `DeviceStore.confirm_wipe`."""
        check_act(act)
        with self._transaction(account_id) as account:
            row = account.device(device_uuid)
            if row.device.access is DeviceAccess.WIPING:
                expire_device(row)
                row.device = replace(row.device, access=DeviceAccess.WIPED)
                account.note_act(act)
            elif row.device.access is not DeviceAccess.WIPED:
                raise WipeNotAsked("the device was not to remove its copy")
            return row.device

    def forget_device(self, account_id: str, device_uuid: UUID, *, act: Act) -> None:
        """See `DeviceStore.forget_device`."""
        check_act(act)
        with self._transaction(account_id) as account:
            account.device(device_uuid)
            del account.devices[device_uuid]
            gone = [name for name, row in account.sessions.items() if row.session.device_uuid == device_uuid]
            for name in gone:
                del account.sessions[name]
            account.note_act(act)

    def count_devices(self, account_id: str) -> int:
        """See `DeviceStore.count_devices`."""
        with self._transaction(account_id) as account:
            return len(account.devices)

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


def _report(account: AccountState, row: DeviceRow) -> DeviceReport:
    parked = sum(kept.rejection.parked for kept in row.rejections.values())
    return DeviceReport(
        device=row.device,
        lag=lag_of(account, row) or 0,
        holes=sum(len(place.acked_beyond) for place in served_positions(account, row)),
        refused=len(row.rejections) - parked,
        parked=parked,
    )
