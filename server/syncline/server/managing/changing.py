"""What people do to a device. Its live streams, wherever they run, look at once at what became of it."""

from __future__ import annotations

from uuid import UUID

from syncline.server.acts import act_of_caller
from syncline.server.environment import Environment
from syncline.server.managing.requests import ParkedItems
from syncline.storage.models import DeviceAccess, DeviceReport

_NO_STREAM = 0
"""The id of no stream: whoever listens for the device looks which one is the newest, and finds what became of it."""


def set_access(
    env: Environment, device_uuid: UUID, access: DeviceAccess, action: str, *, upload_first: bool = False
) -> DeviceReport:
    """Disable or enable the device, or have it wiped; answer it. From a thread of the store.

    Raises:
        DeviceNotFound: there is no such device.
    """
    details = {"upload_first": str(upload_first).lower()} if access is DeviceAccess.WIPING else {}
    act = act_of_caller(action, str(device_uuid), **details)
    env.store.set_access(env.account_id, device_uuid, access, upload_first=upload_first, act=act)
    env.notifier.stream_opened(env.account_id, device_uuid, _NO_STREAM)
    return env.store.report_device(env.account_id, device_uuid)


def forget(env: Environment, device_uuid: UUID) -> None:
    """Remove all that is known of the device. From a thread of the store.

    Raises:
        DeviceNotFound: there is no such device.
    """
    env.store.forget_device(env.account_id, device_uuid, act=act_of_caller("device.forget", str(device_uuid)))
    env.notifier.stream_opened(env.account_id, device_uuid, _NO_STREAM)


def restore(env: Environment, wanted: ParkedItems) -> int:
    """Have parked items sent again; how many were? From a thread of the store.

    Raises:
        DeviceNotFound: there is no such device.
    """
    items = [wanted.item] if wanted.item else _parked(env, wanted.device_uuid)
    details = {"object_type": wanted.item[0], "key": wanted.item[1]} if wanted.item else {"items": str(len(items))}
    act = act_of_caller("device.restore", str(wanted.device_uuid), **details)
    return env.store.put_back(env.account_id, wanted.device_uuid, items, act=act)


def _parked(env: Environment, device_uuid: UUID) -> list[tuple[str, str]]:
    rejections = env.store.list_rejections(env.account_id, device_uuid)
    return [(each.object_type, each.key) for each in rejections if each.parked]
