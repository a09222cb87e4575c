"""A device that is disabled, forgotten, or told to remove its copy."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest

from syncline.client import DeviceClient, DeviceDisabled, DeviceState
from syncline.replica import DeviceWiped, ForeignAccount, Phase, Replica, ReplicaError, SyncEvent
from syncline.replica.local_database import LocalDatabase
from syncline.server.interceptors import error_table
from syncline.storage import errors as store_errors
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


def test_g8_what_is_written_during_the_upload_is_sent_too(
    served: ServedStore, people: DeviceClient, replica: Replica
) -> None:
    sent = 0

    def write_beside(event: SyncEvent) -> None:
        nonlocal sent
        if event.phase is Phase.UPLOAD_BATCH_SENT:
            sent += 1
            if sent <= 2:
                with ThreadPoolExecutor(1) as beside:
                    note = {"id": f"late {sent}", "text": "x"}
                    beside.submit(replica.objects("note").create, note, upload=sent == 1).result()

    people.wipe(replica.device_uuid, upload_first=True)
    with pytest.raises(DeviceWiped) as wiped:
        replica.sync(on_event=write_beside)
    assert wiped.value.given_up == 0
    assert len(served.store.get_records("dev", "note", ["mine", "later", "late 1", "late 2"])) == 4


@pytest.mark.parametrize("upload_first", [True, False], ids=["upload_first", "give_up"])
def test_g8_nothing_is_written_between_the_count_and_the_end(
    people: DeviceClient, replica: Replica, monkeypatch: pytest.MonkeyPatch, upload_first: bool
) -> None:
    close = LocalDatabase.close
    late: list[Future[object]] = []
    people.wipe(replica.device_uuid, upload_first=upload_first)
    with ThreadPoolExecutor(1) as beside:

        def write_before_it_closes(local: LocalDatabase) -> None:
            if not late:
                late.append(beside.submit(replica.objects("note").create, {"id": "late", "text": "x"}))
                wait(late, timeout=0.2)  # it must not come to its end before this closes
            close(local)

        monkeypatch.setattr(LocalDatabase, "close", write_before_it_closes)
        with pytest.raises(DeviceWiped) as wiped:
            replica.sync()
        with pytest.raises(ReplicaError, match="closed"):
            late[0].result()
    assert wiped.value.given_up == (0 if upload_first else 2)


@pytest.mark.parametrize("upload_first", [True, False], ids=["upload_first", "give_up"])
def test_g9_a_wipe_of_another_account_leaves_the_file_alone(
    replica: Replica, tmp_path: Path, upload_first: bool
) -> None:
    replica.close()
    with served_store("other") as other, DeviceClient(other.address) as people:
        other.store.register_device("other", replica.device_uuid, now=1)
        people.wipe(replica.device_uuid, upload_first=upload_first)
        with Replica.open(tmp_path / "device.db", other.address) as same:
            with pytest.raises(ForeignAccount, match=r"'dev'.*'other'"):
                same.sync()
            assert names(same) == ["later", "mine", "theirs"]
            assert same.get_pending_upload()
        assert not other.store.get_records("other", "note", ["mine", "later"])
        assert people.get(replica.device_uuid).state is DeviceState.WIPING


def test_g9_a_wipe_of_no_account_leaves_the_file_alone(
    people: DeviceClient, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = error_table.TABLE[store_errors.DeviceWiped]
    monkeypatch.setitem(
        error_table.TABLE, store_errors.DeviceWiped, row._replace(metadata=lambda _: {"upload_first": "false"})
    )
    people.wipe(replica.device_uuid, upload_first=False)
    with pytest.raises(ForeignAccount):
        replica.sync()
    assert names(replica) == ["later", "mine", "theirs"]


@pytest.mark.parametrize("upload_first", [True, False], ids=["upload_first", "give_up"])
def test_g8_a_copy_of_a_wiped_device_is_wiped_too(
    served: ServedStore, people: DeviceClient, replica: Replica, tmp_path: Path, upload_first: bool
) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(tmp_path / "device.db")) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    people.wipe(replica.device_uuid, upload_first=upload_first)
    with pytest.raises(DeviceWiped):
        replica.sync()
    with Replica.open(copy, served.address) as restored:
        restored.objects("note").create({"id": "offline", "text": "x"})
        with pytest.raises(DeviceWiped) as wiped:
            restored.sync()
    assert wiped.value.given_up == 3
    assert wiped.value.confirmed
    assert not copy.exists()
    assert not served.store.get_records("dev", "note", ["offline"])


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
