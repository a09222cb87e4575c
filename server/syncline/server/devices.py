"""Which device a call comes from."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from syncline.server.environment import Environment, now_us
from syncline.server.errors import DeviceOfAnother, DeviceUuidInvalid
from syncline.server.identity.authenticator import DEVELOPMENT
from syncline.server.identity.caller import Caller, current_caller
from syncline.server.identity.visible import claimed_buckets
from syncline.server.interceptors.context import CallContext
from syncline.server.limits import KNOWN_DEVICES_MAX
from syncline.storage.errors import DeviceNotFound
from syncline.storage.models import Device

DEVICE_UUID_METADATA = "syncline-device-uuid"


class Devices:
    """Names the calling device, registers it on first contact, and holds it to its principal and its buckets."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._known: OrderedDict[tuple[str, UUID], tuple[str, frozenset[str] | None]] = OrderedDict()
        """By account and UUID, which principal was let use it, and with which buckets."""

    async def identify(self, context: CallContext, *, anew: bool = False) -> UUID:
        """The calling device.

        Args:
            context: of the call.
            anew: do not rely on what is known here. Another server may have seen other claims since, or the device may
                have been forgotten.

        Raises:
            DeviceUuidInvalid: it is not named, or not by one UUID.
            DeviceOfAnother: it belongs to another principal.
            Unauthenticated: the buckets that are claimed cannot be granted.
            OverLimit: it is new, and the account has as many devices as it may.
        """
        device_uuid = device_uuid_of(context)
        caller = current_caller()
        device = (caller.account_id, device_uuid)
        admitted = (_owner(caller), claimed_buckets(caller))
        if anew or self._known.get(device) != admitted:
            # A device that is not known here is mostly a new one, and a first sync follows.
            run = self._env.threads.run if device in self._known else self._env.threads.run_for_first_sync
            await run(self._admit, *device, *admitted)
            self._known[device] = admitted
            if len(self._known) > KNOWN_DEVICES_MAX:
                self._known.popitem(last=False)
        return device_uuid

    def _admit(self, account_id: str, device_uuid: UUID, owner: str, buckets: frozenset[str] | None) -> None:
        device = self._registered(account_id, device_uuid, owner)
        if owner and device.principal != owner:
            raise DeviceOfAnother
        if buckets is not None:
            store = self._env.store
            granted = store.list_grants(account_id, device_uuid).keys()
            # First what is taken away: were the second call not to come, the device would see too little.
            if gone := granted - buckets:
                store.revoke_buckets(account_id, device_uuid, sorted(gone))
            if new := buckets - granted:
                store.grant_buckets(account_id, device_uuid, sorted(new))

    def _registered(self, account_id: str, device_uuid: UUID, owner: str) -> Device:
        store = self._env.store
        try:
            device = store.get_device(account_id, device_uuid)
            if device.principal or not owner:
                return device
        except DeviceNotFound:
            self._env.stored_limits.check_device(account_id, device_uuid)
        return store.register_device(account_id, device_uuid, now=now_us(), principal=owner)


def _owner(caller: Caller) -> str:
    """Whom the caller's devices belong to; nobody in development mode, where nobody has proved who he is."""
    return "" if caller.credential == DEVELOPMENT else caller.principal


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
