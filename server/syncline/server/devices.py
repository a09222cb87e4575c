"""Which device a call comes from."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from syncline.server.environment import Environment, now_us
from syncline.server.errors import DeviceUuidInvalid
from syncline.server.interceptors.context import CallContext
from syncline.server.limits import KNOWN_DEVICES_MAX

DEVICE_UUID_METADATA = "syncline-device-uuid"


class Devices:
    """Names the calling device, and registers it on first contact."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._known: OrderedDict[tuple[str, UUID], None] = OrderedDict()

    async def identify(self, context: CallContext) -> UUID:
        """The calling device.

        Raises:
            DeviceUuidInvalid: it is not named, or not by one UUID.
        """
        device_uuid = device_uuid_of(context)
        env = self._env
        device = (env.account_id, device_uuid)
        if device not in self._known:
            await env.threads.run(env.store.register_device, *device, now=now_us())
            self._known[device] = None
            if len(self._known) > KNOWN_DEVICES_MAX:
                self._known.popitem(last=False)
        return device_uuid


def device_uuid_of(context: CallContext) -> UUID:
    """The UUID in the call's metadata; `DeviceUuidInvalid` if there is not exactly one."""
    values = [value for name, value in context.invocation_metadata() or () if name == DEVICE_UUID_METADATA]
    if len(values) != 1:
        raise DeviceUuidInvalid(f"metadata {DEVICE_UUID_METADATA!r} must be given once, not {len(values)} times")
    text = str(values[0])
    try:
        device_uuid = UUID(text)
    except ValueError:
        device_uuid = None
    if device_uuid is None or str(device_uuid) != text.lower():
        raise DeviceUuidInvalid(
            f"metadata {DEVICE_UUID_METADATA!r} must be a UUID such as 6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"
        )
    return device_uuid
