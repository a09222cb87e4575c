"""G12: when everything is quiet, all devices and the server agree."""

from __future__ import annotations

import random

from syncline.replica import Replica
from tests.replica.upload.conftest import OpenDevice
from tests.replica.upload.serving import KINDS, Served, shown, states


def test_g12_devices_that_edit_the_same_records_agree_in_the_end(
    served_database: Served, open_device: OpenDevice
) -> None:
    served = served_database
    numbers = random.Random(7)
    devices = [
        open_device(served.address, "one"),
        open_device(served.address, "two", apply="page", page_size=3),
    ]
    for device in devices:
        device.sync()
    for _ in range(25):
        device = numbers.choice(devices)
        edit(device, numbers)
        if numbers.random() < 0.4:
            device.sync(upload_batch=3)
    for device in devices:
        while "rejected" in states(device):
            for object_type in KINDS:
                for change in device.objects(object_type).get_rejected():
                    device.objects(object_type).roll_back_pending_local_changes_by_pk(change.key)
            device.sync()
    for device in devices * 2:
        device.sync()
    for object_type in KINDS:
        assert shown(devices[0], object_type) == shown(devices[1], object_type) == served.records(object_type)
    assert [states(device) for device in devices] == [[], []]
    raw = [device.query("SELECT _key, _bucket, _revision, text FROM note ORDER BY _key") for device in devices]
    assert list(map(tuple, raw[0])) == list(map(tuple, raw[1]))


def edit(device: Replica, numbers: random.Random) -> None:
    """A few changes in one transaction."""
    objects = device.objects(numbers.choice(sorted(KINDS)))
    with device.transaction():
        for _ in range(numbers.randint(1, 3)):
            key, value = numbers.choice("abc"), str(numbers.random())
            field = numbers.choice(("text", "color"))
            if objects.get_all_details_by_pk(key) is None:
                objects.create({"id": key, field: value})
            elif numbers.random() < 0.25:
                objects.delete_by_pk(key)
            else:
                objects.update_by_pk(key, {field: value})
