"""DeviceService: convert, call, convert."""

from __future__ import annotations

from syncline.server.environment import Environment, now_us
from syncline.server.interceptors.context import CallContext
from syncline.server.managing import requests
from syncline.server.managing.changing import forget, restore, set_access
from syncline.server.managing.convert import audit_message, device_message, refused_message
from syncline.server.page_tokens import ListPlace, encode_page
from syncline.storage.models import DeviceAccess
from syncline.v1 import device_service_pb2, device_service_pb2_grpc


class DeviceServicer(device_service_pb2_grpc.DeviceServiceServicer):
    """Shows and manages the devices of the account, and shows what was done to it."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def ListDevices(  # noqa: N802  the contract's name
        self, request: device_service_pb2.ListDevicesRequest, context: CallContext
    ) -> device_service_pb2.ListDevicesResponse:
        """See the contract."""
        del context
        env, page = self._env, requests.devices_page(self._env, request)
        # One more than is answered says whether anything follows.
        found = await env.threads.run(env.store.report_devices, env.account_id, after=page.after, limit=page.limit + 1)
        shown = found[: page.limit]
        response = device_service_pb2.ListDevicesResponse(devices=map(device_message, shown))
        if len(found) > page.limit:
            place = ListPlace(now_us(), (str(shown[-1].device.device_uuid),))
            response.next_page_token = encode_page(env.sealer(), page.asked, place)
        return response

    async def GetDevice(  # noqa: N802  the contract's name
        self, request: device_service_pb2.GetDeviceRequest, context: CallContext
    ) -> device_service_pb2.Device:
        """See the contract."""
        del context
        env, device_uuid = self._env, requests.device_of(request.device_uuid)
        return device_message(await env.threads.run(env.store.report_device, env.account_id, device_uuid))

    async def ListRefusedItems(  # noqa: N802  the contract's name
        self, request: device_service_pb2.ListRefusedItemsRequest, context: CallContext
    ) -> device_service_pb2.ListRefusedItemsResponse:
        """See the contract."""
        del context
        env, device_uuid = self._env, requests.device_of(request.device_uuid)
        found = await env.threads.run(env.store.list_rejections, env.account_id, device_uuid)
        return device_service_pb2.ListRefusedItemsResponse(items=map(refused_message, found))

    async def DisableDevice(  # noqa: N802  the contract's name
        self, request: device_service_pb2.DisableDeviceRequest, context: CallContext
    ) -> device_service_pb2.Device:
        """See the contract."""
        del context
        return await self._set_access(request.device_uuid, DeviceAccess.DISABLED, "device.disable")

    async def EnableDevice(  # noqa: N802  the contract's name
        self, request: device_service_pb2.EnableDeviceRequest, context: CallContext
    ) -> device_service_pb2.Device:
        """See the contract."""
        del context
        return await self._set_access(request.device_uuid, DeviceAccess.ENABLED, "device.enable")

    async def ForgetDevice(  # noqa: N802  the contract's name
        self, request: device_service_pb2.ForgetDeviceRequest, context: CallContext
    ) -> device_service_pb2.ForgetDeviceResponse:
        """See the contract."""
        del context
        await self._env.threads.run(forget, self._env, requests.device_of(request.device_uuid))
        return device_service_pb2.ForgetDeviceResponse()

    async def WipeDevice(  # noqa: N802  the contract's name
        self, request: device_service_pb2.WipeDeviceRequest, context: CallContext
    ) -> device_service_pb2.Device:
        """See the contract."""
        del context
        return await self._set_access(
            request.device_uuid, DeviceAccess.WIPING, "device.wipe", upload_first=request.upload_first
        )

    async def RestoreParked(  # noqa: N802  the contract's name
        self, request: device_service_pb2.RestoreParkedRequest, context: CallContext
    ) -> device_service_pb2.RestoreParkedResponse:
        """See the contract."""
        del context
        restored = await self._env.threads.run(restore, self._env, requests.parked_items(request))
        return device_service_pb2.RestoreParkedResponse(restored=restored)

    async def ListAuditEntries(  # noqa: N802  the contract's name
        self, request: device_service_pb2.ListAuditEntriesRequest, context: CallContext
    ) -> device_service_pb2.ListAuditEntriesResponse:
        """See the contract."""
        del context
        env, page = self._env, requests.audit_page(self._env, request)
        found = await env.threads.run(
            env.store.list_acts, env.account_id, page.wanted, before=page.before, limit=page.limit + 1
        )
        shown = found[: page.limit]
        response = device_service_pb2.ListAuditEntriesResponse(entries=map(audit_message, shown))
        if len(found) > page.limit:
            response.next_page_token = encode_page(env.sealer(), page.asked, ListPlace(now_us(), shown[-1].place))
        return response

    async def _set_access(
        self, named: str, access: DeviceAccess, action: str, *, upload_first: bool = False
    ) -> device_service_pb2.Device:
        env, device_uuid = self._env, requests.device_of(named)
        return device_message(
            await env.threads.run(set_access, env, device_uuid, access, action, upload_first=upload_first)
        )
