"""Device files against a server on a socket."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from syncline.client import ScopeNotFound
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.replica import Candidate, ForeignAccount, Progress, Replica, ReplicaReader, TypeCounts
from tests.replica.serving import ACCOUNT, NOTE, ServedStore, delete_notes, number_notes, served_store, write_notes

OpenReplica = Callable[..., Replica]


@pytest.fixture
def open_replica(path: Path, server: ServedStore) -> Iterator[OpenReplica]:
    opened: list[Replica] = []

    def open_it(**options: Any) -> Replica:
        opened.append(Replica.open(path, server.address, page_size=options.pop("page_size", 10), **options))
        return opened[-1]

    yield open_it
    for replica in opened:
        replica.close()


def texts(replica: Replica | ReplicaReader) -> dict[str, str]:
    return {row["id"]: row["text"] for row in replica.query("SELECT id, text FROM note")}


def test_a_first_sync_brings_everything_and_acknowledges_it(server: ServedStore, open_replica: OpenReplica) -> None:
    notes = number_notes(95)
    head = write_notes(server.store, notes)
    replica = open_replica()
    told: list[Progress] = []
    report = replica.sync(progress=told.append)
    assert texts(replica) == notes
    assert report.counts == {"note": TypeCounts(received=95, inserted=95)}
    assert (report.pages, report.checkpoint_revision, report.nothing_new) == (10, head, False)
    assert (told[0], told[-1]) == (Progress(10, 85, 1), Progress(95, 0, 10))
    (position,) = server.store.list_positions(ACCOUNT, replica.device_uuid)
    assert (position.acked_through, position.acked_beyond) == (head, ())


def test_the_next_sync_brings_what_changed(server: ServedStore, open_replica: OpenReplica) -> None:
    write_notes(server.store, number_notes(30))
    replica = open_replica()
    replica.sync()
    write_notes(server.store, {"00001": "changed", "new": "new"})
    delete_notes(server.store, "00002", "00003")
    report = replica.sync()
    assert report.counts == {"note": TypeCounts(received=4, inserted=1, updated=1, deleted=2)}
    expected = number_notes(30) | {"00001": "changed", "new": "new"}
    del expected["00002"], expected["00003"]
    assert texts(replica) == expected


def test_nothing_new_transfers_no_page(server: ServedStore, open_replica: OpenReplica) -> None:
    write_notes(server.store, number_notes(3))
    replica = open_replica()
    replica.sync()
    report = replica.sync()
    assert (report.nothing_new, report.pages, report.counts) == (True, 0, {})


def test_an_account_without_records_reaches_its_checkpoint(open_replica: OpenReplica) -> None:
    replica = open_replica()
    replica.sync()
    assert texts(replica) == {}
    assert replica.status().checkpoint_revision == 0


def test_records_that_move_between_buckets(server: ServedStore, open_replica: OpenReplica) -> None:
    replica = open_replica()
    server.grant(replica.device_uuid, "b")
    write_notes(server.store, number_notes(20))
    replica.sync()
    write_notes(server.store, {"00001": "moved", "00002": "moved"}, bucket="b")
    write_notes(server.store, {"00003": "left"}, bucket="elsewhere")
    replica.sync()
    rows = {row["id"]: row["_bucket"] for row in replica.query("SELECT id, _bucket FROM note")}
    assert rows == {key: "b" if key in ("00001", "00002") else "" for key in number_notes(20) if key != "00003"}


def test_a_revoked_grant_takes_its_rows_and_a_new_one_brings_them(
    server: ServedStore, open_replica: OpenReplica
) -> None:
    replica = open_replica()
    server.grant(replica.device_uuid, "b")
    write_notes(server.store, {"a": "a"})
    write_notes(server.store, {"b": "b"}, bucket="b")
    replica.sync()
    assert texts(replica) == {"a": "a", "b": "b"}
    server.store.revoke_buckets(ACCOUNT, replica.device_uuid, ["b"])
    report = replica.sync()
    assert texts(replica) == {"a": "a"}
    assert report.total.deleted == 1
    server.grant(replica.device_uuid, "b")
    replica.sync()
    assert texts(replica) == {"a": "a", "b": "b"}


@pytest.mark.parametrize("apply", ["checkpoint", "page"])
def test_a_full_resync_marks_and_sweeps(server: ServedStore, open_replica: OpenReplica, apply: str) -> None:
    notes = number_notes(30)
    write_notes(server.store, notes)
    replica = open_replica(apply=apply)
    replica.sync()
    report = replica.sync(full_resync=True)
    assert report.total.received == 30
    assert texts(replica) == notes
    assert replica.sync().nothing_new


def test_a_renewed_history_loads_everything_anew(server: ServedStore, open_replica: OpenReplica) -> None:
    write_notes(server.store, number_notes(30))
    replica = open_replica()
    replica.sync()
    # What the device has and the restored backup has not.
    replica._file.connection.execute(
        "INSERT INTO syncline_base_note SELECT 'lost', _bucket, _revision, _load, _data FROM syncline_base_note LIMIT 1"
    )
    server.store.renew_store_epoch(ACCOUNT)
    report = replica.sync()
    assert (report.resyncs, report.total.received) == (1, 30)
    assert texts(replica) == number_notes(30)
    assert replica.query("SELECT count(*) FROM note")[0][0] == 30


def test_a_file_put_back_from_a_copy_gets_everything_again(
    server: ServedStore, open_replica: OpenReplica, path: Path
) -> None:
    write_notes(server.store, number_notes(10))
    with open_replica() as replica:
        replica.sync()
    kept = path.with_name("kept.db")
    shutil.copy(path, kept)
    write_notes(server.store, {"00001": "changed", "new": "new"})
    delete_notes(server.store, "00002")
    with open_replica() as replica:
        replica.sync()
        expected = texts(replica)
    shutil.copy(kept, path)
    with open_replica() as replica:
        report = replica.sync()
        assert report.total.received == 3
        assert texts(replica) == expected


def test_an_expired_device_resynchronises(server: ServedStore, open_replica: OpenReplica) -> None:
    write_notes(server.store, number_notes(10))
    replica = open_replica()
    replica.sync()
    delete_notes(server.store, "00001")
    server.store.collect(ACCOUNT, devices_seen_before=2**62, now=2**62)
    assert replica.sync().resyncs == 1
    assert "00001" not in texts(replica)


def test_g5_a_reader_sees_checkpoints_only(server: ServedStore, open_replica: OpenReplica, path: Path) -> None:
    """Every write changes all notes to one text: a copy with two texts would be no checkpoint."""
    keys = list(number_notes(50))
    write_notes(server.store, dict.fromkeys(keys, "0"))
    replica = open_replica(page_size=7)
    replica.sync()
    reader = ReplicaReader(path)
    seen: list[list[tuple[str, int]]] = []
    reading = True

    def read() -> None:
        while reading:
            seen.append([tuple(row) for row in reader.query("SELECT text, count(*) FROM note GROUP BY text")])

    thread = Thread(target=read)
    thread.start()
    for number in range(1, 15):
        write_notes(server.store, dict.fromkeys(keys, str(number)))
        replica.sync()
    reading = False
    thread.join()
    assert all(len(groups) == 1 and groups[0][1] == 50 for groups in seen)


def test_refused_items_come_again_are_parked_and_reported(server: ServedStore, open_replica: OpenReplica) -> None:
    def objection(item: Candidate, data: dict[str, Any]) -> str | None:
        return "odd" if item.key == "00003" else None

    write_notes(server.store, number_notes(9))
    replica = open_replica(accept=objection)
    report = replica.sync()
    assert [(refused.key, refused.reason, refused.parked) for refused in report.failed] == [("00003", "odd", False)]
    assert report.total == TypeCounts(received=9, inserted=8, rejected=1)
    for _ in range(5):
        report = replica.sync()
    assert report.nothing_new
    assert [refused.parked for refused in replica.status().failed] == [True]
    replica.close()

    server.store.put_back(ACCOUNT, replica.device_uuid, [("note", "00003")])
    easy = open_replica()
    assert easy.sync().failed == ()
    assert texts(easy) == number_notes(9)


def test_a_schema_that_grows_is_followed(server: ServedStore, open_replica: OpenReplica) -> None:
    write_notes(server.store, {"a": "a"})
    replica = open_replica()
    replica.sync()
    grown = ObjectType("note", "main", (*NOTE.fields, Field("color", FieldType.STRING)), ("id",))
    memo = ObjectType("memo", "main", (Field("id", FieldType.STRING),))
    server.store.write_schema(ACCOUNT, Schema(object_types=(grown, memo)), expected_version=1)
    replica.sync()
    assert replica.schema.version == 2
    assert replica.query("SELECT color FROM note")[0]["color"] is None
    assert replica.query("SELECT * FROM memo") == []


def test_scopes_are_synchronised_by_themselves(server: ServedStore, open_replica: OpenReplica) -> None:
    write_notes(server.store, {"a": "a"})
    replica = open_replica()
    replica.sync(scopes=["main"])
    assert texts(replica) == {"a": "a"}
    with pytest.raises(ScopeNotFound):
        replica.sync(scopes=["nowhere"])
    assert replica.sync().nothing_new


def test_a_file_of_another_account_is_not_touched(server: ServedStore, open_replica: OpenReplica, path: Path) -> None:
    write_notes(server.store, {"a": "a"})
    with open_replica() as replica:
        replica.sync()
        before = replica.status()
    with served_store("other") as other, Replica.open(path, other.address) as replica:
        with pytest.raises(ForeignAccount, match=r"'dev'.*'other'"):
            replica.sync()
        assert texts(replica) == {"a": "a"}
        assert replica.status() == before
