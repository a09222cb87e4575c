"""`syncline devices` as an operator runs it, against a server on a socket; and the same client for asyncio."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from syncline.client import AsyncDeviceClient, DeviceNotFound
from syncline.replica import Replica
from tests.cli.conftest import Syncline
from tests.replica.serving import ServedStore, served_store


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedStore]:
    with served_store() as server:
        server.write({"a": "one", "b": "two"})
        monkeypatch.setenv("SYNCLINE_SERVER", server.address)
        yield server


@pytest.fixture
def device(server: ServedStore, file: Path) -> UUID:
    """A device that has refused both records."""
    with Replica.open(file, server.address, accept=lambda item, data: "too odd") as replica:
        for _ in range(5):
            replica.sync()
        server.write({"c": "three"})
        replica.sync()
        return replica.device_uuid


def test_the_devices_are_listed(device: UUID, syncline: Syncline) -> None:
    listed = syncline("devices", "list")
    assert (listed.status, listed.stderr) == (0, "")
    rows = [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in listed.stdout.splitlines()]
    heading, row = (row for row in rows if row)
    assert heading == ["device", "state", "principal", "client", "last contact", "lag", "refused", "parked"]
    assert (row[0], row[1], row[5:]) == (str(device), "active", ["0", "1", "2"])
    (line,) = syncline("devices", "list", "--json").stdout.splitlines()
    assert json.loads(line)["parked_items"] == 2


def test_a_device_is_shown_disabled_wiped_enabled_and_forgotten(
    device: UUID, file: Path, server: ServedStore, syncline: Syncline
) -> None:
    shown = syncline("devices", "show", device).stdout
    assert "1 items, and 2 are parked" in shown
    assert shown.count("too odd") == 3
    assert syncline("devices", "restore", device, "note", "a").stdout.startswith("1 items are sent again")
    assert syncline("devices", "restore", device).stdout.startswith("1 items are sent again")
    assert syncline("devices", "disable", device).stdout == f"{device} is disabled\n"
    refused = syncline("sync", file)
    assert (refused.status, refused.stderr.strip()) == (1, "error: the device is disabled")
    assert syncline("devices", "enable", device).stdout == f"{device} is active\n"
    assert syncline("devices", "wipe", device).status == 2
    assert syncline("devices", "wipe", device, "--upload-first").stdout == f"{device} is wiping\n"
    assert "after it has sent its changes" in syncline("devices", "show", device).stdout
    wiped = syncline("sync", file)
    assert wiped.status == 1
    assert "was removed, as the account's operators asked" in wiped.stderr
    assert not file.exists()
    assert syncline("devices", "forget", device).stdout == f"{device} is forgotten\n"
    gone = syncline("devices", "show", device)
    assert (gone.status, "there is no such device" in gone.stderr) == (1, True)
    assert syncline("devices", "list").stdout == "no devices\n"


async def test_the_client_for_asyncio_does_the_same(server: ServedStore, device: UUID) -> None:
    client = AsyncDeviceClient(server.address)
    assert [each.device_uuid async for each in client.list(page_size=1)] == [device]
    assert (await client.disable(device)).state.value == "disabled"
    assert (await client.wipe(device, upload_first=True)).upload_first
    assert await client.enable(device) == await client.get(device)
    assert len(await client.refused_items(device)) == 3
    assert await client.restore(device, ("note", "a")) == 1
    await client.forget(device)
    actions = [entry.action.removeprefix("device.") async for entry in client.audit(action="device.", page_size=2)]
    assert actions == ["forget", "restore", "enable", "wipe", "disable"]
    with pytest.raises(DeviceNotFound):
        await client.get(uuid4())
    await client.close()
