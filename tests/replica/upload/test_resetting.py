"""Emptying a device file."""

from __future__ import annotations

import pytest

from syncline.client import AlreadySyncing
from syncline.replica import ReplicaError
from tests.replica.upload.conftest import OpenDevice
from tests.replica.upload.serving import Served, contend, shown, states


def test_a_reset_file_is_as_new_but_for_who_it_is(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    contend(served, device, "a")
    served.write("note", {"id": "n", "text": "n"})
    device.sync()
    uuid = device.device_uuid
    device.objects("note").update_by_pk("n", {"text": "mine"})
    device.reset(discard_unsent=True)
    status = device.status()
    assert (status.rows, status.feeds, status.staged, status.checkpoint_revision) == ({}, (), 0, None)
    assert (device.schema.version, device.conflicts(), states(device)) == (0, [], [])
    tables = {row[0] for row in device.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    assert not {"note", "syncline_base_note", "syncline_local_note"} & tables
    device.sync()
    assert shown(device, "note") == served.records("note") == {"n": {"id": "n", "text": "n"}}
    assert (device.device_uuid, states(device)) == (uuid, [])
    # Numbers are never used again: the server has seen one.
    device.objects("note").update_by_pk("n", {"text": "mine"})
    device.sync()
    assert served.records("note")["n"]["text"] == "mine"


def test_one_scope_may_be_reset(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    device.objects("note").create({"id": "n"})
    device.sync()
    device.objects("note").create({"id": "unsent"})
    device.objects("memo").create({"id": "unsent"})
    device.reset(scopes=["second"], discard_unsent=True)
    assert set(shown(device, "note")) == {"n", "unsent"}
    assert states(device) == ["pending"]
    assert device.status().rows == {"note": 2, "strict": 0}
    device.sync()
    assert shown(device, "memo") == {}
    assert set(served.records("note")) == {"n", "unsent"}


def test_what_a_reset_refuses(served: Served, open_device: OpenDevice) -> None:
    device = open_device(served.address)
    device.sync()
    with pytest.raises(ReplicaError, match="no scope 'third'"):
        device.reset(scopes=["third"])
    with device.transaction(), pytest.raises(ReplicaError, match="transaction is open"):
        device.reset()
    watching = device.watch()
    next(watching)
    with pytest.raises(AlreadySyncing):
        device.reset()
    watching.close()
    device.reset()
