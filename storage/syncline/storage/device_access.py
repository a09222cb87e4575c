"""May the device make this call?"""

from __future__ import annotations

from syncline.storage.errors import DeviceDisabled, DeviceWiped
from syncline.storage.models import Device, DeviceAccess, Head


def check_access(account_id: str, device: Device, head: Head, *, uploads: bool = False) -> None:
    """Refuse a call of a device that is disabled, or is to remove its copy.

    Args:
        account_id: the device's.
        device: whose call it is.
        head: of its account.
        uploads: the call brings changes, which a device that is to be wiped may bring before, if it was told so.

    Raises:
        DeviceDisabled: it is disabled.
        DeviceWiped: it is to remove its copy.
    """
    if device.access is DeviceAccess.ENABLED:
        return
    if device.access is DeviceAccess.DISABLED:
        raise DeviceDisabled("the device is disabled")
    # A copy that comes back after the wipe has nothing more to send.
    upload_first = device.upload_first and device.access is DeviceAccess.WIPING
    if not (uploads and upload_first):
        raise DeviceWiped(
            account_id=account_id,
            upload_first=upload_first,
            store_epoch=head.store_epoch,
            settled_through=device.settled_through,
        )
