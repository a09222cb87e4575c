"""Reconcile over a socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.data.canonical import data_hash
from syncline.storage import Store
from syncline.storage.models import Record
from syncline.v1 import frame_pb2, upload_pb2
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, detail_of, error_of
from tests.service.uploading import delete, insert, open_uploading_store, upload_once

KEYS = ["a", "b", "é", "\uff61", "\U0001f600"]
"""By code point, which is not the order of UTF-16."""


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store of each kind."""
    with open_uploading_store(store_url) as store:
        yield store


def digest(rows: Mapping[str, bytes]) -> bytes:
    """The digest of records by key, as a device makes it."""
    whole = blake2b(digest_size=16)
    for key in sorted(rows):
        name = key.encode()
        whole.update(len(name).to_bytes(4) + name + data_hash(rows[key]))
    return whole.digest()


def text(value: str) -> bytes:
    return f'{{"text":"{value}"}}'.encode()


async def reconcile(device: WireDevice, known: int, **fields: Any) -> upload_pb2.ReconcileResponse:
    given: dict[str, Any] = {"object_type": "merged", "known_revision": known} | fields
    return await device.stub.Reconcile(upload_pb2.ReconcileRequest(**given), metadata=device.metadata)


async def fill(device: WireDevice, seq: int = 1) -> int:
    """Create a record under each key; the head."""
    answers = await upload_once(device, *(insert(seq + n, key, text=key) for n, key in enumerate(KEYS)))
    return answers[-1].revision


def key_range(rows: Mapping[str, bytes], after: str | None = None, through: str | None = None) -> upload_pb2.KeyRange:
    return upload_pb2.KeyRange(after_key=after, through_key=through, digest=digest(rows))


ROWS = {key: text(key) for key in KEYS}


async def test_what_is_equal_is_not_listed(device: WireDevice) -> None:
    head = await fill(device)
    ranges = [
        key_range(ROWS),
        key_range({key: ROWS[key] for key in KEYS[:2]}, through="b"),
        key_range({key: ROWS[key] for key in KEYS[2:4]}, after="b", through="\uff61"),
        key_range({KEYS[4]: ROWS[KEYS[4]]}, after="\uff61"),
        key_range({}, after="\U0001f600"),
    ]

    answer = await reconcile(device, head, ranges=ranges)

    assert [(one.equal, len(one.entries)) for one in answer.ranges] == [(True, 0)] * 5


async def test_a_range_that_differs_is_listed(device: WireDevice, store: Store) -> None:
    head = await fill(device)
    wrong = ROWS | {"b": text("else")}

    answer = await reconcile(device, head, ranges=[key_range(wrong), key_range(wrong, through="a")])

    whole, first = answer.ranges
    assert [entry.key for entry in whole.entries] == KEYS
    assert not whole.equal
    assert not whole.HasField("cut_at_key")
    assert [entry.data_hash for entry in whole.entries] == [data_hash(ROWS[key]) for key in KEYS]
    assert whole.entries[-1].revision == head
    assert [entry.key for entry in first.entries] == ["a"]


async def test_what_is_newer_than_the_device_knows_is_told_as_such(device: WireDevice) -> None:
    head = await fill(device)
    await upload_once(device, insert(10, "new", text="x"), delete(11, "b", seen={"text": "b"}))

    (answer,) = (await reconcile(device, head, ranges=[key_range(ROWS)])).ranges

    assert not answer.equal
    entries = {entry.key: entry for entry in answer.entries}
    assert list(entries) == ["a", "b", "new", *KEYS[2:]]
    assert entries["new"].revision > head
    assert entries["b"].revision > head
    assert entries["b"].data_hash == b""
    (later,) = (await reconcile(device, entries["b"].revision, ranges=[key_range(ROWS)])).ranges
    assert [entry.key for entry in later.entries] == ["a", "new", *KEYS[2:]]


async def test_records_are_sent_by_key(device: WireDevice, store: Store) -> None:
    await device.start()
    store.grant_buckets("dev", device.uuid, ["red"])
    head = await fill(device)
    await upload_once(device, insert(10, "red", text="x", _bucket="red"), insert(11, "late", text="x"))

    default = await reconcile(device, head, keys=["b", "red", "late", "none", "a", "b"])
    (red,) = store.get_records("dev", "merged", ["red"])
    other = await reconcile(device, red.revision, bucket="red", keys=["b", "red"])

    frames = [frame_pb2.Frame.FromString(frame) for frame in default.frames]
    assert [(frame.key, frame.data) for frame in frames] == [("b", ROWS["b"]), ("a", ROWS["a"])]
    assert list(default.revisions) == [record.revision for record in _in_order(store, ["b", "a"])]
    assert [frame_pb2.Frame.FromString(frame).key for frame in other.frames] == ["red"]


async def test_an_answer_ends_before_it_is_too_large(device: WireDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each range that differs tells of one record at least, and one record at least is sent."""
    monkeypatch.setattr("syncline.server.sync.reconcile.RANGE_ENTRIES_MAX", 3)
    head = await fill(device)
    ranges = [key_range({}), key_range({}, after="b")]

    (cut, whole) = (await reconcile(device, head, ranges=ranges)).ranges
    assert [entry.key for entry in cut.entries] == KEYS[:3]
    assert cut.cut_at_key == KEYS[2]
    assert ([entry.key for entry in whole.entries], whole.HasField("cut_at_key")) == (KEYS[2:], False)

    for name in ("RECONCILE_ENTRY_BYTES_MAX", "RECONCILE_BYTES_MAX"):
        monkeypatch.setattr(f"syncline.server.sync.reconcile.{name}", 1)
    answer = await reconcile(device, head, ranges=ranges, keys=KEYS)
    assert [([entry.key for entry in one.entries], one.cut_at_key) for one in answer.ranges] == [
        (["a"], "a"),
        (["é"], "é"),
    ]
    assert len(answer.frames) == len(answer.revisions) == 1


async def test_no_more_records_are_read_than_an_answer_takes(
    device: WireDevice, in_process_server: RunningApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may have a megabyte, and a thousand may be asked for."""
    read: list[str] = []
    get_records = store.get_records

    def note(account: str, object_type: str, keys: Sequence[str]) -> list[Record]:
        read.extend(keys)
        return get_records(account, object_type, keys)

    monkeypatch.setattr(in_process_server.store, "get_records", note)
    monkeypatch.setattr("syncline.server.sync.reconcile.RECONCILE_READ_MAX", 2)
    head = await fill(device)

    assert len((await reconcile(device, head, keys=KEYS)).frames) == len(KEYS)
    assert read == KEYS
    read.clear()
    monkeypatch.setattr("syncline.server.sync.reconcile.RECONCILE_BYTES_MAX", 1)
    assert len((await reconcile(device, head, keys=["none", "no", *KEYS])).frames) == 1
    assert read == ["none", "no", *KEYS[:2]]


async def test_a_bucket_that_is_not_granted_is_not_compared(device: WireDevice) -> None:
    for fields in ({"ranges": [key_range({})]}, {"keys": ["a"]}):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reconcile(device, 1, bucket="red", **fields)
        assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")


async def test_an_unknown_type_is_not_compared(device: WireDevice) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reconcile(device, 1, object_type="nothing", keys=["a"])
    assert error_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "OBJECT_TYPE_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"object_type": ""}, "object_type"),
        ({"bucket": "b" * 201}, "bucket"),
        ({"known_revision": -1}, "known_revision"),
        ({"ranges": [key_range({})] * 101}, "ranges"),
        ({"ranges": [upload_pb2.KeyRange(digest=b"short")]}, "ranges[0].digest"),
        ({"ranges": [key_range({}, after="a\0b")]}, "ranges[0].after_key"),
        ({"ranges": [key_range({}, through="k" * 1_025)]}, "ranges[0].through_key"),
        ({"keys": ["k"] * 1_001}, "keys"),
        ({"keys": ["a", ""]}, "keys[1]"),
    ],
)
async def test_fields(device: WireDevice, fields: dict[str, Any], refused: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await reconcile(device, 1, **fields)
    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    violations = detail_of(caught.value, error_details_pb2.BadRequest).field_violations
    assert [violation.field for violation in violations] == [refused]


def _in_order(store: Store, keys: list[str]) -> list[Any]:
    by_key = {record.key: record for record in store.get_records("dev", "merged", keys)}
    return [by_key[key] for key in keys]
