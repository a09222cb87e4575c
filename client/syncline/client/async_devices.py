"""The client of devices for asyncio programs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Unpack
from uuid import UUID

from syncline.client.connection import AsyncConnection
from syncline.client.device_models import (
    AuditEntry,
    DeviceInfo,
    RefusedItem,
    audit_from,
    audit_request,
    device_from,
    refused_from,
    restore_request,
)
from syncline.client.endpoint import ConnectionOptions, ServerEndpoint
from syncline.v1 import device_service_pb2
from syncline.v1.device_service_pb2_grpc import DeviceServiceStub

if TYPE_CHECKING:
    from syncline.v1.device_service_pb2_grpc import DeviceServiceAsyncStub


class AsyncDeviceClient(AsyncConnection):
    """Shows and manages the devices of the account. For use inside one event loop.

    Every call raises `syncline.client.SyncError`, by one class per reason; `DeviceNotFound` if there is no such device.
    Calls that only read are repeated by themselves a few times if the server cannot be reached.
    """

    def __init__(self, target: str, **connection: Unpack[ConnectionOptions]) -> None:
        """Prepare the connection; it is made with the first call. The arguments are those of `AsyncSyncRequestClient`.

        Raises:
            InvalidOption: an argument makes no sense.
        """
        super().__init__(ServerEndpoint.at(target, **connection))
        self._made: DeviceServiceAsyncStub | None = None

    async def list(self, *, page_size: int | None = None) -> AsyncIterator[DeviceInfo]:
        """The devices by UUID, fetched page by page as they are read.

        Args:
            page_size: How many are fetched at once: 1 to 500.
        """
        request = device_service_pb2.ListDevicesRequest(page_size=page_size)
        while True:
            response = await self._call(self._stub().ListDevices, request)
            for device in response.devices:
                yield device_from(device)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def get(self, device_uuid: UUID | str) -> DeviceInfo:
        """One device."""
        request = device_service_pb2.GetDeviceRequest(device_uuid=str(device_uuid))
        return device_from(await self._call(self._stub().GetDevice, request))

    async def refused_items(self, device_uuid: UUID | str) -> tuple[RefusedItem, ...]:
        """What the device refused, by object type and key."""
        request = device_service_pb2.ListRefusedItemsRequest(device_uuid=str(device_uuid))
        return tuple(map(refused_from, (await self._call(self._stub().ListRefusedItems, request)).items))

    async def disable(self, device_uuid: UUID | str) -> DeviceInfo:
        """Refuse all calls of the device until it is enabled. Its streams end."""
        request = device_service_pb2.DisableDeviceRequest(device_uuid=str(device_uuid))
        return device_from(await self._call(self._stub().DisableDevice, request))

    async def enable(self, device_uuid: UUID | str) -> DeviceInfo:
        """Let the device go on where it stood. Takes back a wipe that the device has not obeyed."""
        request = device_service_pb2.EnableDeviceRequest(device_uuid=str(device_uuid))
        return device_from(await self._call(self._stub().EnableDevice, request))

    async def forget(self, device_uuid: UUID | str) -> None:
        """Remove all that the server knows of the device. If it comes back, it is a new one."""
        request = device_service_pb2.ForgetDeviceRequest(device_uuid=str(device_uuid))
        await self._call(self._stub().ForgetDevice, request)

    async def wipe(self, device_uuid: UUID | str, *, upload_first: bool) -> DeviceInfo:
        """Tell the device, when it calls next, to remove its copy.

        Args:
            device_uuid: The device.
            upload_first: It sends what it has not sent before. False: unsent changes are given up.
        """
        request = device_service_pb2.WipeDeviceRequest(device_uuid=str(device_uuid), upload_first=upload_first)
        return device_from(await self._call(self._stub().WipeDevice, request))

    async def restore(self, device_uuid: UUID | str, item: tuple[str, str] | None = None) -> int:
        """Have parked items sent to the device again; how many.

        Args:
            device_uuid: The device.
            item: Object type and key of one. Unset: all of them.
        """
        return (await self._call(self._stub().RestoreParked, restore_request(device_uuid, item))).restored

    async def audit(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        action: str = "",
        page_size: int | None = None,
    ) -> AsyncIterator[AuditEntry]:
        """What was done to the account, the newest first, fetched page by page as it is read.

        Args:
            since: Only at this time or later. Times without a zone are UTC.
            until: Only before this time.
            action: Only this one; with a dot at its end, all that begin with it, such as `device.`.
            page_size: How many are fetched at once: 1 to 500.
        """
        request = audit_request(since, until, action, page_size)
        while True:
            response = await self._call(self._stub().ListAuditEntries, request)
            for entry in response.entries:
                yield audit_from(entry)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    def _stub(self) -> DeviceServiceAsyncStub:
        channel = self._open_channel()
        if self._made is None:
            self._made = DeviceServiceStub(channel)
        return self._made
