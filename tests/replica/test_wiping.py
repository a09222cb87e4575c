"""A device that is disabled, forgotten, or told to remove its copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from syncline.client import DeviceClient, DeviceDisabled, DeviceState
from syncline.replica import DeviceWiped, Replica, ReplicaError
from tests.replica.serving import ServedStore, served_store


@pytest.fixture
def served() -> Iterator[ServedStore]:
    with served_store() as served:
        yield served


@pytest.fixture
def people(served: ServedStore) -> Iterator[DeviceClient]:
    with DeviceClient(served.address) as people:
        yield people


def names(replica: Replica) -> list[str]:
    return sorted(row["_key"] for row in replica.query("SELECT _key FROM note"))


@pytest.fixture
def replica(served: ServedStore, tmp_path: Path) -> Iterator[Replica]:
    """It has a record of the server, and a change, a deferred one, that wait."""
    served.write({"theirs": "x"})
    with Replica.open(tmp_path / "device.db", served.address) as replica:
        replica.sync()
        replica.objects("note").create({"id": "mine", "text": "x"})
        replica.objects("note").create({"id": "later", "text": "x"}, upload=False)
        yield replica


@pytest.mark.parametrize("upload_first", [True, False], ids=["upload_first", "give_up"])
@pytest.mark.parametrize("watches", [False, True], ids=["sync", "watch"])
def test_g8_a_wiped_device_sends_or_gives_up_what_it_was_told_to(
    served: ServedStore, people: DeviceClient, replica: Replica, tmp_path: Path, upload_first: bool, watches: bool
) -> None:
    people.wipe(replica.device_uuid, upload_first=upload_first)
    run: Callable[[], object] = (lambda: next(replica.watch())) if watches else replica.sync
    with pytest.raises(DeviceWiped) as wiped:
        run()
    assert wiped.value.given_up == (0 if upload_first else 2)
    assert wiped.value.confirmed
    assert [path.name for path in tmp_path.iterdir()] == ["device.db.lock"]
    assert people.get(replica.device_uuid).state is DeviceState.WIPED
    kept = served.store.get_records("dev", "note", ["mine", "later", "theirs"])
    assert len(kept) == (3 if upload_first else 1)
    assert next(people.audit(action="device.wiped")).details == {"given_up": str(wiped.value.given_up)}
    with pytest.raises(ReplicaError, match="closed"):
        replica.sync()


def test_a_wipe_comes_to_a_device_that_watches(people: DeviceClient, replica: Replica) -> None:
    watching = replica.watch()
    next(watching)
    people.wipe(replica.device_uuid, upload_first=True)
    with pytest.raises(DeviceWiped):
        list(watching)


def test_g8_a_copy_of_a_wiped_device_is_wiped_too(
    served: ServedStore, people: DeviceClient, replica: Replica, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(tmp_path / "device.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    people.wipe(replica.device_uuid, upload_first=False)
    with pytest.raises(DeviceWiped):
        replica.sync()
    with Replica.open(copy, served.address) as restored, pytest.raises(DeviceWiped):
        restored.sync()
    assert not copy.exists()


def test_g8_an_enabled_device_loses_nothing(served: ServedStore, people: DeviceClient, replica: Replica) -> None:
    people.disable(replica.device_uuid)
    with pytest.raises(DeviceDisabled):
        replica.sync()
    served.write({"meanwhile": "x"})
    replica.objects("note").create({"id": "offline", "text": "x"})
    people.wipe(replica.device_uuid, upload_first=False)
    assert people.enable(replica.device_uuid).state is DeviceState.ACTIVE
    replica.sync()
    assert names(replica) == ["later", "meanwhile", "mine", "offline", "theirs"]
    assert len(served.store.get_records("dev", "note", ["mine", "offline"])) == 2


def test_g8_a_forgotten_device_keeps_its_changes(served: ServedStore, people: DeviceClient, replica: Replica) -> None:
    replica.sync()
    replica.objects("note").create({"id": "after", "text": "x"})
    people.forget(replica.device_uuid)
    served.write({"meanwhile": "x"})
    replica.sync()
    assert names(replica) == ["after", "later", "meanwhile", "mine", "theirs"]
    assert replica.get_rejected() or replica.get_pending_upload()
