"""Comparing a device file with the server by ranges of keys, and repairing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from syncline.client import AnswerInvalid, ResyncRequired, SyncClient
from syncline.data.canonical import data_hash
from syncline.data.schema import Schema
from syncline.replica import Candidate, Replica, ReplicaError, SyncStopped
from syncline.replica.facts import read_facts
from syncline.replica.feeds import read_feeds
from syncline.replica.reconciling import ReconcileReport, reconcile
from syncline.storage import Store, open_store
from syncline.v1 import frame_pb2, upload_pb2
from tests.client.scripted import ScriptedService, serving
from tests.harness.server_thread import ServerThread, server_thread
from tests.replica.building import SCHEMA, Bench, page, put, segment
from tests.replica.serving import ACCOUNT, NOTE, delete_notes, number_notes, write_notes

RANGE_ROWS, RANGES = 10, 3

Rows = dict[str, tuple[str, int, str]]


@pytest.fixture(autouse=True)
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.replica.base_ranges.RANGE_ROWS", RANGE_ROWS)
    monkeypatch.setattr("syncline.replica.reconciling.RANGES_MAX", RANGES)


@pytest.fixture(scope="module")
def thread() -> Iterator[ServerThread]:
    with server_thread() as thread:
        yield thread


class Device:
    """A device file and the server's store."""

    def __init__(self, replica: Replica, store: Store) -> None:
        self.replica = replica
        self.store = store

    @property
    def connection(self) -> sqlite3.Connection:
        return self.replica._file.connection

    def damage(self, sql: str, *parameters: Any) -> None:
        """Write into the file past everything that guards it."""
        assert self.connection.execute(sql, parameters).rowcount > 0

    def compare(self, **options: Any) -> ReconcileReport:
        """Without a synchronisation before it."""
        schema = read_facts(self.connection).schema
        return reconcile(self.connection, self.replica._runs.client, schema, **options)

    def rows(self) -> Rows:
        rows = self.connection.execute("SELECT _key, _bucket, _revision, _data FROM syncline_base_note")
        return {key: (bucket, revision, data) for key, bucket, revision, data in rows}


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = open_store(store_url)
    store.create_account(ACCOUNT)
    store.write_schema(ACCOUNT, Schema(object_types=(NOTE,)), expected_version=0)
    yield store
    store.close()


Start = Callable[..., Device]


@pytest.fixture
def start(path: Path, store: Store, thread: ServerThread) -> Iterator[Start]:
    """A device that has 95 notes in the default bucket and, if asked for, some in others."""
    with thread.serving(store) as running:
        opened: list[Replica] = []

        def start_device(**buckets: dict[str, str]) -> Device:
            replica = Replica.open(path, running.address)
            opened.append(replica)
            write_notes(store, number_notes(95))
            if buckets:
                store.register_device(ACCOUNT, replica.device_uuid, now=1)
                store.grant_buckets(ACCOUNT, replica.device_uuid, list(buckets))
            for bucket, notes in buckets.items():
                write_notes(store, notes, bucket=bucket)
            replica.sync()
            return Device(replica, store)

        yield start_device
        for replica in opened:
            replica.close()


def test_an_intact_copy_is_only_compared(start: Start) -> None:
    device = start()
    intact = device.rows()
    assert device.replica.reconcile() == ReconcileReport(checked=95, ranges=10)
    assert device.rows() == intact


def test_a_copy_whose_records_fill_the_last_range_is_compared_to_the_end(start: Start) -> None:
    device = start()
    delete_notes(device.store, *(f"{number:05}" for number in range(90, 95)))
    report = device.replica.reconcile()
    assert report == ReconcileReport(checked=90, ranges=10)


def test_g5_what_is_damaged_lost_or_made_up_is_repaired(start: Start) -> None:
    device = start()
    intact = device.rows()
    device.damage('UPDATE syncline_base_note SET _data = \'{"id":"00007","text":"bent"}\' WHERE _key = \'00007\'')
    device.damage("UPDATE syncline_base_note SET _data = '{ }', _revision = 1000000 WHERE _key = '00042'")
    device.damage("DELETE FROM syncline_base_note WHERE _key IN ('00000', '00041', '00094')")
    device.damage(
        "INSERT INTO syncline_base_note (_key, _bucket, _revision, _load, _data)"
        " SELECT 'made up', _bucket, _revision, _load, _data FROM syncline_base_note WHERE _key = '00001'"
    )
    report = device.replica.reconcile()
    assert device.rows() == intact
    assert (report.inserted, report.updated, report.deleted) == (3, 2, 1)
    assert report.differing == 3
    assert device.replica.reconcile().differing == 0
    write_notes(device.store, {"00042": "changed"})
    device.replica.sync()
    assert device.replica.query("SELECT text FROM note WHERE id = '00042'")[0]["text"] == "changed"


def test_a_copy_that_lost_everything_is_filled_in_parts(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncline.server.sync.reconcile.RANGE_ENTRIES_MAX", 20)
    monkeypatch.setattr("syncline.server.sync.reconcile.RECONCILE_BYTES_MAX", 4_000)
    monkeypatch.setattr("syncline.replica.reconciling.KEYS_MAX", 15)
    device = start()
    intact = device.rows()
    device.damage("DELETE FROM syncline_base_note")
    report = device.replica.reconcile()
    assert device.rows() == intact
    assert report == ReconcileReport(checked=0, ranges=5, differing=5, inserted=95)


def test_an_interrupted_run_goes_on_where_it_was(start: Start) -> None:
    device = start()
    intact = device.rows()
    device.damage("DELETE FROM syncline_base_note WHERE _key IN ('00005', '00090')")

    def interrupt(report: ReconcileReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.compare(progress=interrupt)
    assert set(intact) - set(device.rows()) == {"00090"}
    told: list[ReconcileReport] = []
    device.compare(progress=told.append)
    assert device.rows() == intact
    assert [report.checked for report in told] == [30, 60, 63]
    assert device.compare().checked == 95


def test_stop_ends_a_comparison_which_goes_on_later(start: Start) -> None:
    device = start()
    intact = device.rows()
    device.damage("DELETE FROM syncline_base_note WHERE _key IN ('00005', '00090')")
    with pytest.raises(SyncStopped, match="goes on from here"):
        device.replica.reconcile(progress=lambda _: device.replica.stop())
    assert set(intact) - set(device.rows()) == {"00090"}
    assert device.replica.reconcile().checked == 63
    assert device.rows() == intact


def test_an_interrupted_run_says_nothing_about_other_scopes(start: Start) -> None:
    device = start()

    def interrupt(report: ReconcileReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.compare(progress=interrupt)
    assert device.compare(scopes=["main"]).checked == 95


def test_a_run_that_broke_off_in_a_later_bucket_goes_on_there(start: Start) -> None:
    device = start(b={f"b{number:03}": "text" for number in range(40)}, c={"c": "c"})
    calls = iter(range(100))

    def interrupt(report: ReconcileReport) -> None:
        if next(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        device.compare(progress=interrupt)
    assert device.compare().checked == 10 + 1


def test_what_the_server_changes_meanwhile_is_left_to_the_queue(start: Start) -> None:
    device = start()
    intact = device.rows()
    write_notes(device.store, {"00003": "changed", "00003a": "new"})
    write_notes(device.store, {"00014": "moved"}, bucket="elsewhere")
    delete_notes(device.store, "00025")
    report = device.compare()
    assert device.rows() == intact
    assert (report.differing, report.inserted, report.updated, report.deleted) == (3, 0, 0, 0)

    device.damage("DELETE FROM syncline_base_note WHERE _key IN ('00003', '00014', '00025', '00026')")
    assert device.compare().inserted == 1
    assert "00026" in device.rows()
    device.replica.sync()
    notes = number_notes(95) | {"00003": "changed", "00003a": "new"}
    del notes["00014"], notes["00025"]
    assert {row["id"]: row["text"] for row in device.replica.query("SELECT id, text FROM note")} == notes


def test_a_record_that_changes_between_comparing_and_fetching_is_left_to_the_queue(start: Start) -> None:
    device = start()
    device.damage("DELETE FROM syncline_base_note WHERE _key IN ('00001', '00002')")
    client = device.replica._runs.client
    ask = client.reconcile

    def change_then_ask(request: upload_pb2.ReconcileRequest) -> upload_pb2.ReconcileResponse:
        if request.keys:
            write_notes(device.store, {"00001": "changed"})
        return ask(request)

    client.reconcile = change_then_ask  # type: ignore[method-assign]
    assert device.compare().inserted == 1
    assert ("00001" in device.rows(), "00002" in device.rows()) == (False, True)


def test_records_are_brought_back_to_their_buckets(start: Start) -> None:
    device = start(b={"b1": "b", "b2": "b"})
    intact = device.rows()
    device.damage("UPDATE syncline_base_note SET _bucket = 'b' WHERE _key = '00001'")
    device.damage("UPDATE syncline_base_note SET _bucket = '' WHERE _key = 'b1'")
    device.damage("UPDATE syncline_base_note SET _bucket = 'no feed' WHERE _key = 'b2'")
    device.damage(
        "INSERT INTO syncline_base_note (_key, _bucket, _revision, _load, _data)"
        " SELECT 'stray', 'no feed', _revision, _load, _data FROM syncline_base_note WHERE _key = '00002'"
    )
    report = device.compare()
    assert device.rows() == intact
    assert (report.inserted, report.updated, report.deleted) == (1, 2, 2)


def test_what_the_device_refused_stays_as_it_is(path: Path, store: Store, thread: ServerThread) -> None:
    def objection(item: Candidate, data: dict[str, Any]) -> str | None:
        return "odd" if data["text"] == "odd" else None

    with thread.serving(store) as running, Replica.open(path, running.address, accept=objection) as replica:
        device = Device(replica, store)
        write_notes(store, number_notes(5))
        replica.sync()
        write_notes(store, {"00003": "odd", "00004a": "odd"})
        replica.sync()
        before = device.rows()
        report = replica.reconcile()
        assert report == ReconcileReport(checked=5, ranges=1, differing=1)
        assert device.rows() == before


def test_local_changes_lie_over_what_was_repaired(start: Start) -> None:
    device = start()
    with device.replica.local.transaction() as writer:
        writer.update("note", "00001", {"text": "mine"}, upload=False)
    with device.replica.local.transaction() as writer:
        writer.update("note", "00002", {"text": "mine"}, upload=False)
    device.damage("DELETE FROM syncline_base_note WHERE _key = '00001'")
    device.damage("UPDATE syncline_base_note SET _data = '{}', _revision = 1 WHERE _key = '00002'")
    report = device.replica.reconcile()
    assert (report.inserted, report.updated) == (1, 1)
    shown = device.replica.query("SELECT id, text, _revision FROM note WHERE id IN ('00001', '00002') ORDER BY id")
    rows = device.rows()
    assert [tuple(row) for row in shown] == [(key, "mine", rows[key][1]) for key in ("00001", "00002")]
    assert rows["00002"][2] == '{"id":"00002","text":"text 2"}'


def test_a_bucket_that_is_not_granted_any_more_is_told(start: Start) -> None:
    device = start(b={"b": "b"})
    device.store.revoke_buckets(ACCOUNT, device.replica.device_uuid, ["b"])
    with pytest.raises(ResyncRequired):
        device.compare()
    assert device.replica.reconcile().deleted == 0
    assert set(device.rows()) == set(number_notes(95))


# Against a server whose answers are written down


@pytest.fixture
def scripted() -> Iterator[tuple[ScriptedService, SyncClient]]:
    service = ScriptedService()
    with serving(service) as address, SyncClient(address, uuid4()) as client:
        yield service, client


def test_the_request_is_as_the_contract_says(bench: Bench, scripted: tuple[ScriptedService, SyncClient]) -> None:
    service, client = scripted
    keys = sorted([f"{number:02}" for number in range(9)] + ["é", "\uffff", "\U00010000"])
    bench.apply(page(segment(*(put(key, number + 1) for number, key in enumerate(keys)), bucket="b"), checkpoint=20))
    reconcile(bench.connection, client, SCHEMA)
    (request,) = [request for request in service.reconcile_requests if request.object_type == "item"]
    digests = []
    for part in (keys[:10], keys[10:]):
        whole = b""
        for key in part:
            hashed = data_hash(f'{{"name":"{key}@{keys.index(key) + 1}"}}'.encode())
            whole += len(key.encode()).to_bytes(4, "big") + key.encode() + hashed
        digests.append(blake2b(whole, digest_size=16).digest())
    assert request == upload_pb2.ReconcileRequest(
        object_type="item",
        bucket="b",
        known_revision=12,
        ranges=[
            upload_pb2.KeyRange(through_key=keys[9], digest=digests[0]),
            upload_pb2.KeyRange(after_key=keys[9], digest=digests[1]),
        ],
    )


def entry(key: str, revision: int = 1) -> upload_pb2.ReconcileEntry:
    return upload_pb2.ReconcileEntry(key=key, revision=revision, data_hash=bytes(16))


def frame(key: str, object_type: str = "item", data: bytes | None = b"{}") -> bytes:
    return frame_pb2.Frame(object_type=object_type, key=key, data=data).SerializeToString()


DIFFERS = upload_pb2.RangeAnswer(entries=[entry("a")])


@pytest.mark.parametrize(
    "answers",
    [
        [upload_pb2.ReconcileResponse()],
        [upload_pb2.ReconcileResponse(ranges=[DIFFERS]), upload_pb2.ReconcileResponse(frames=[frame("a")])],
        *(
            [
                upload_pb2.ReconcileResponse(ranges=[DIFFERS]),
                upload_pb2.ReconcileResponse(frames=[wrong], revisions=[1]),
            ]
            for wrong in (b"\xff", frame("b"), frame("a", "other"), frame("a", data=None), frame("a", data=b"\xff"))
        ),
    ],
)
def test_an_answer_that_breaks_the_contract_repairs_nothing(
    bench: Bench, scripted: tuple[ScriptedService, SyncClient], answers: list[upload_pb2.ReconcileResponse]
) -> None:
    service, client = scripted
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    service.reconciliations.extend(answers)
    with pytest.raises(AnswerInvalid):
        reconcile(bench.connection, client, SCHEMA)
    assert bench.names() == {"a": "a@1"}


def test_a_cut_that_leads_nowhere_breaks_the_contract(
    bench: Bench, scripted: tuple[ScriptedService, SyncClient]
) -> None:
    service, client = scripted
    bench.apply(page(segment(*(put(f"{number:02}", number + 1) for number in range(12))), checkpoint=12))
    equal = upload_pb2.RangeAnswer(equal=True)
    service.reconciliations.append(
        upload_pb2.ReconcileResponse(ranges=[equal, upload_pb2.RangeAnswer(cut_at_key="09")])
    )
    with pytest.raises(AnswerInvalid):
        reconcile(bench.connection, client, SCHEMA)


def test_only_a_copy_at_a_checkpoint_is_compared(bench: Bench, scripted: tuple[ScriptedService, SyncClient]) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    bench.apply(page(segment(put("a", 2), above=1)))
    with pytest.raises(ReplicaError, match="checkpoint"):
        reconcile(bench.connection, scripted[1], SCHEMA)


def test_what_was_never_at_a_checkpoint_is_not_compared(
    bench: Bench, scripted: tuple[ScriptedService, SyncClient]
) -> None:
    service, client = scripted
    bench.apply(page(segment(put("a", 1))))
    assert reconcile(bench.connection, client, SCHEMA) == ReconcileReport()
    assert service.reconcile_requests == []


def test_an_item_sent_again_by_key_says_nothing_about_where_its_feed_stands(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    bench.apply(page(segment(put("b", 5), redelivered=True), feeds=(("main", ""),), checkpoint=9))
    assert [feed.revision for feed in read_feeds(bench.connection)] == [9]
