"""Which device a call comes from."""

from __future__ import annotations

from uuid import UUID

from syncline.server.environment import Environment, now_us
from syncline.server.errors import DeviceOfAnother, DeviceUuidInvalid
from syncline.server.identity.authenticator import DEVELOPMENT
from syncline.server.identity.caller import Caller, current_caller
from syncline.server.identity.visible import claimed_buckets
from syncline.server.interceptors.context import CallContext
from syncline.server.limits import KNOWN_DEVICES_MAX
from syncline.server.recently_used import RecentlyUsed
from syncline.server.uuid_text import UUID_RULE, uuid_of
from syncline.storage.errors import DeviceNotFound
from syncline.storage.models import Device

DEVICE_UUID_METADATA = "syncline-device-uuid"


class Devices:
    """Names the calling device, registers it on first contact, and holds it to its principal and its buckets."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._known = RecentlyUsed[tuple[str, UUID], tuple[str, frozenset[str] | None]](KNOWN_DEVICES_MAX)
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
        known = self._known.get(device)
        if anew or known != admitted:
            # A device that is not known here is mostly a new one, and a first sync follows.
            run = self._env.threads.run_for_first_sync if known is None else self._env.threads.run
            await run(self._admit, *device, *admitted)
            self._known.put(device, admitted)
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
    device_uuid = uuid_of(str(values[0]))
    if device_uuid is None:
        raise DeviceUuidInvalid(f"metadata {DEVICE_UUID_METADATA!r} {UUID_RULE}")
    return device_uuid
