"""No path loses an unsent change: full loads, new histories, grown schemas, expired and forgotten devices, copies."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncline.client import ResyncRequired, StoreEpochChanged, SyncClient, UploadStream
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.replica import Phase, Replica, UnsentChanges, VerdictCounts
from syncline.replica.events import no_events
from syncline.replica.facts import read_facts
from syncline.replica.outbox import Place, last_change_no, next_batch
from syncline.replica.uploader import Uploader, UploadOptions
from syncline.storage import open_store
from syncline.v1 import sync_service_pb2
from tests.harness.server_thread import ServerThread
from tests.replica.upload.conftest import OpenDevice
from tests.replica.upload.serving import ACCOUNT, KINDS, NOTE, Served, contend, serve, shown, states


def edited(served: Served, open_device: OpenDevice, name: str = "device") -> Replica:
    """A device with one change of each kind that is not on the server: rejected, pending, held back, deferred."""
    device = open_device(served.address, name)
    contend(served, device, "rejected")
    served.write("note", {"id": "a", "text": "a"}, {"id": "gone"})
    device.sync()
    device.objects("strict").update_by_pk("rejected", {"color": "held"})
    device.objects("note").update_by_pk("a", {"text": "mine"})
    device.objects("note").create({"id": "new"})
    device.objects("note").delete_by_pk("gone")
    device.objects("memo").create({"id": "deferred"}, upload=False)
    assert states(device) == ["rejected", "pending", "pending", "pending", "pending", "deferred"]
    return device


def prepare(device: Replica) -> None:
    """Prepare a message, which is then lost before it reaches the server."""
    with device.local.transaction():
        connection = device.local.connection
        place = Place(through_no=last_change_no(connection))
        facts = read_facts(connection)
        assert next_batch(connection, place, lambda _: True, facts.store_epoch)


def check_uploaded(served: Served, device: Replica) -> None:
    """All that can go up has gone up, the rest still waits."""
    assert states(device) == ["rejected", "pending", "deferred"]
    assert shown(device, "note") == served.records("note") == {"a": {"id": "a", "text": "mine"}, "new": {"id": "new"}}
    assert shown(device, "strict")["rejected"] == {"id": "rejected", "text": "of the device", "color": "held"}
    assert shown(device, "memo") == {"deferred": {"id": "deferred"}}


@pytest.mark.parametrize("apply", ["checkpoint", "page"])
def test_g8_a_full_resync_keeps_local_changes(served: Served, open_device: OpenDevice, apply: str) -> None:
    device = edited(served, open_device)
    before = shown(device, "note")
    device.close()
    device = open_device(served.address, apply=apply)
    device.sync(full_resync=True, upload=False)
    assert shown(device, "note") == before
    device.sync(full_resync=True)
    check_uploaded(served, device)


def test_g8_a_grown_schema_keeps_local_changes(served: Served, open_device: OpenDevice) -> None:
    device = edited(served, open_device)
    grown = ObjectType("note", "main", (*NOTE.fields, Field("size", FieldType.INTEGER)), ("id",))
    kinds = tuple((KINDS | {"note": grown}).values())
    served.store.write_schema(ACCOUNT, Schema(object_types=kinds), expected_version=1)
    device.sync(upload=False)
    device.objects("note").update_by_pk("new", {"size": 7})
    device.sync()
    assert served.records("note")["new"] == {"id": "new", "size": 7}
    assert states(device) == ["rejected", "pending", "deferred"]


def test_g8_a_new_history_gets_the_changes_that_it_may_lack(
    served_database: Served, open_device: OpenDevice, tmp_path: Path
) -> None:
    """An older backup takes the server's place: what was sent and even settled since goes up again, once."""
    served = served_database
    device = edited(served, open_device)
    with device.transaction():
        device.objects("note").create({"id": "one of two", "text": "settled"})
        device.objects("note").create({"id": "two of two", "text": "settled"})
    device.push()
    assert states(device).count("settled") == 5
    kept = served.records("note")
    # Of the new history, but what the device did is still there: nothing may be done twice.
    served.store.renew_store_epoch(ACCOUNT)
    report = device.sync()
    assert report.upload.verdicts.rejected == report.upload.verdicts.held == 0
    assert served.records("note") == shown(device, "note") == kept
    assert states(device) == ["rejected", "pending", "deferred"]


def test_g8_a_restored_server_gets_everything_again(
    servers: ServerThread, sqlite_url: str, open_device: OpenDevice, tmp_path: Path
) -> None:
    """A backup from before the upload: the changes that the base does not show yet are sent again, in order."""
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(open_store(sqlite_url)) as store, serve(servers, store) as served:
        device = open_device(served.address)
        device.sync()
        uuid = device.device_uuid
        device.close()
    backup = shutil.copy(database, tmp_path / "backup.db")
    with closing(open_store(sqlite_url)) as store, servers.serving(store) as running:
        device = open_device(running.address)
        with device.transaction():
            device.objects("note").create({"id": "a", "text": "1"})
            device.objects("note").create({"id": "b"})
        device.objects("note").update_by_pk("a", {"text": "2"})
        device.push()
        assert states(device) == ["settled", "settled", "settled"]
        device.close()
    shutil.copy(backup, database)
    with closing(open_store(sqlite_url)) as store, servers.serving(store) as running:
        store.renew_store_epoch(ACCOUNT)
        device = open_device(running.address)
        report = device.sync()
        assert device.device_uuid == uuid
        assert report.upload.verdicts == VerdictCounts(applied=3)
        restored = Served(store, running, servers)
        assert shown(device, "note") == restored.records("note") == {"a": {"id": "a", "text": "2"}, "b": {"id": "b"}}
        assert states(device) == []


def test_g8_an_expired_device_downloads_first_and_keeps_its_changes(
    served_database: Served, open_device: OpenDevice
) -> None:
    served = served_database
    device = edited(served, open_device)
    served.write("note", {"id": "others"})
    served.store.collect(ACCOUNT, devices_seen_before=2**62, now=2**62)
    with pytest.raises(ResyncRequired):
        device.push()
    told: list[Phase] = []
    report = device.sync(on_event=lambda event: told.append(event.phase))
    assert report.resyncs == 1
    assert told.index(Phase.CHECKPOINT) < told.index(Phase.UPLOAD_STARTED)
    assert told.count(Phase.CHECKPOINT) == 2
    served.delete("note", "others")
    device.sync()
    check_uploaded(served, device)


def test_g8_a_forgotten_device_leaves_it_to_the_application(
    servers: ServerThread, sqlite_url: str, open_device: OpenDevice
) -> None:
    """What was sent may have been done, and nobody can tell: it is rejected. What never was is sent."""
    with closing(open_store(sqlite_url)) as store, serve(servers, store) as served:
        device = open_device(served.address)
        device.sync()
        device.objects("note").create({"id": "settled"})
        device.push()
        device.objects("note").create({"id": "sent"})
        prepare(device)
        device.objects("note").create({"id": "pending"})
        device.close()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection, connection:
        for table in ("upload_receipt", "device_position", "device_bucket", "session", "device"):
            connection.execute(f"DELETE FROM {table}")
    with closing(open_store(sqlite_url)) as store, servers.serving(store) as running:
        served, device = Served(store, running, servers), open_device(running.address)
        device.sync()
        (rejected,) = device.objects("note").get_rejected()
        assert rejected.refusal is not None
        assert (rejected.key, rejected.refusal.reason) == ("sent", "STALE_DEVICE")
        assert set(served.records("note")) == {"settled", "pending"}
        assert device.objects("note").resend("sent") == 1
        device.sync()
        assert set(served.records("note")) == {"settled", "pending", "sent"}
        assert states(device) == []


def test_g8_a_file_put_back_from_a_copy_loses_and_repeats_nothing(
    served_database: Served, open_device: OpenDevice, tmp_path: Path
) -> None:
    served = served_database
    edited(served, open_device).close()
    shutil.copy(tmp_path / "device.db", tmp_path / "kept.db")
    device = open_device(served.address)
    device.sync()
    device.objects("note").update_by_pk("a", {"text": "newer"})
    device.sync()
    device.close()
    shutil.copy(tmp_path / "kept.db", tmp_path / "device.db")
    device = open_device(served.address)
    report = device.sync()
    assert report.upload.total == 3
    # The same verdicts again; what the copy does not know of is not undone by them.
    assert shown(device, "note") == served.records("note") == {"a": {"id": "a", "text": "newer"}, "new": {"id": "new"}}
    assert states(device) == ["rejected", "pending", "deferred"]
    device.objects("note").create({"id": "after"})
    device.sync()
    assert "after" in served.records("note")


def test_g8_a_copied_file_that_goes_on_beside_the_original(
    served_database: Served, open_device: OpenDevice, tmp_path: Path
) -> None:
    """Both use the same numbers: SEQ_REUSED, and the later one numbers its changes anew."""
    served = served_database
    device = open_device(served.address)
    device.sync()
    device.close()
    shutil.copy(tmp_path / "device.db", tmp_path / "clone.db")
    device, clone = open_device(served.address), open_device(served.address, "clone")
    for number in range(3):
        device.objects("note").create({"id": f"device {number}"})
        clone.objects("note").create({"id": f"clone {number}"})

    # The original's changes have their numbers when the clone's go up under the same ones.
    prepare(device)
    clone.push()
    device.sync()
    clone.sync()
    assert len(served.records("note")) == 6
    assert shown(device, "note") == shown(clone, "note") == served.records("note")
    assert states(device) == states(clone) == []


def test_g8_a_reset_refuses_to_lose_changes(served: Served, open_device: OpenDevice) -> None:
    device = edited(served, open_device)
    with pytest.raises(UnsentChanges, match="1 of 'memo', 3 of 'note', 2 of 'strict'") as raised:
        device.reset()
    assert raised.value.counts == {"memo": 1, "note": 3, "strict": 2}
    with pytest.raises(UnsentChanges):
        device.reset(scopes=["second"])
    device.sync()
    check_uploaded(served, device)


def test_g8_what_the_server_forgot_the_verdicts_of_is_left_to_the_application(
    served_database: Served, open_device: OpenDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old copy repeats numbers whose receipts were collected: SEQ_SETTLED, told for a whole message at once."""
    served = served_database
    device = open_device(served.address)
    served.write("note", {"id": "a", "text": "a"}, {"id": "b", "text": "b"})
    device.sync()
    device.objects("note").update_by_pk("a", {"text": "mine"})
    device.objects("memo").create({"id": "m"})
    with device.transaction():
        device.objects("note").update_by_pk("b", {"text": "mine"})
        device.objects("note").create({"id": "c"})
    device.objects("note").update_by_pk("a", {"color": "held"})
    prepare(device)
    device.close()
    shutil.copy(tmp_path / "device.db", tmp_path / "kept.db")
    device = open_device(served.address)
    device.sync()
    device.close()
    served.write("note", {"id": "a", "text": "newer"})
    assert served.store.collect(ACCOUNT, devices_seen_before=2**62, now=2**62).receipts == 5
    shutil.copy(tmp_path / "kept.db", tmp_path / "device.db")
    device = open_device(served.address)
    streams: list[str] = []
    upload = SyncClient.upload

    def count_streams(client: SyncClient, store_epoch: str) -> UploadStream:
        streams.append(store_epoch)
        return upload(client, store_epoch)

    monkeypatch.setattr(SyncClient, "upload", count_streams)
    device.sync(scopes=["main"])
    # The number of the memo lies between, but the memo was not sent.
    assert states(device) == ["rejected", "sent", "rejected", "rejected", "rejected"]
    assert len(streams) == 2
    refusals = [rejected.refusal for rejected in device.objects("note").get_rejected()]
    assert {refusal.reason for refusal in refusals if refusal is not None} == {"SEQ_SETTLED"}
    assert shown(device, "note")["a"] == {"id": "a", "text": "mine", "color": "held"}
    device.sync()
    assert [device.objects("note").resend(key) for key in "ab"] == [1, 0]
    assert device.objects("memo").resend("m") == 0
    device.sync()
    assert states(device) == []
    assert shown(device, "note") == served.records("note")
    assert served.records("note")["a"] == {"id": "a", "text": "mine", "color": "held"}


def test_g8_a_session_that_was_told_before_an_upload_went_on_forgets_nothing(
    served: Served, open_device: OpenDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch connects again while its upload goes on: the number that it is told is then an old one."""
    device = open_device(served.address)
    device.sync()
    device.objects("note").create({"id": "a"})
    start = SyncClient.start_session

    def start_and_upload(client: SyncClient, **options: Any) -> sync_service_pb2.StartSessionResponse:
        answer = start(client, **options)
        assert uploader_of(device).upload(answer.store_epoch)
        device.objects("note").create({"id": "b"})
        prepare(device)
        return answer

    monkeypatch.setattr(SyncClient, "start_session", start_and_upload)
    device.sync(upload=False)
    assert states(device) == ["settled", "sent"]
    monkeypatch.undo()
    device.sync()
    assert (states(device), set(served.records("note"))) == ([], {"a", "b"})


def test_g8_nothing_is_frozen_for_a_history_that_is_over(served: Served, open_device: OpenDevice) -> None:
    """A watch takes over a new history while its upload still has the old one: revisions of that mean nothing."""
    device = open_device(served.address)
    served.write("note", {"id": "a"})
    device.sync()
    over = read_facts(device.local.connection).store_epoch
    device.objects("note").update_by_pk("a", {"text": "mine"})
    served.store.renew_store_epoch(ACCOUNT)
    device.sync(upload=False)
    with pytest.raises(StoreEpochChanged):
        uploader_of(device).upload(over)
    assert states(device) == ["pending"]
    device.sync()
    assert served.records("note")["a"]["text"] == "mine"


def uploader_of(device: Replica) -> Uploader:
    """An upload as it goes on beside a watch."""
    return Uploader(device._runs.client, device.local, UploadOptions(), no_events, progressed=lambda: None)
