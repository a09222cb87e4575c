"""Changes that are refused, over a socket: a clear verdict for each, the rest goes on, nothing is half written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from syncline.storage.errors import LimitReached
from syncline.storage.upload_models import UploadBatch, UploadOutcome
from syncline.v1 import upload_pb2
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, detail_of, error_of, note
from tests.service.uploading import (
    delete,
    group,
    insert,
    open_uploading_store,
    records,
    rejection_detail,
    update,
    upload_call,
    upload_once,
    verdicts,
)

INVALID, DENIED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED
FAILED, EXISTS = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store of each kind."""
    with open_uploading_store(store_url) as store:
        yield store


def _fields(answer: upload_pb2.ChangeAnswer) -> list[str]:
    return [violation.field for violation in rejection_detail(answer, error_details_pb2.BadRequest).field_violations]


async def test_every_bad_change_has_its_verdict_and_the_rest_goes_on(device: WireDevice, store: Store) -> None:
    oversized = insert(2, "a")
    oversized.data = b'{"text":"' + b"x" * 1_000_000 + b'"}'
    crowded = [insert(10 + n, f"crowd{n}") for n in range(2)]
    for member in crowded:
        member.transaction_id, member.group_size = b"crowd", 1_001
    cut = group(b"cut", insert(20, "x"), insert(21, "y"), insert(22, "z"))[:2]
    bad = [
        (oversized, INVALID, "CHANGE_TOO_LARGE", "data"),
        (insert(3, "b", more=1), INVALID, "CHANGE_INVALID", "more"),
        (insert(4, "c", stars="many"), INVALID, "CHANGE_INVALID", "stars"),
        (insert(5, "d", _base_revision=10**6), FAILED, "BASE_FROM_FUTURE", "base_revision"),
        (insert(6, "e", "locked"), DENIED, "TYPE_READ_ONLY", None),
        (insert(7, "f", "no\0thing"), INVALID, "CHANGE_INVALID", "object_type"),
        (insert(8, "g\0" * 2_000), INVALID, "CHANGE_INVALID", "key"),
        (insert(9, "h", "note", id="other"), INVALID, "KEY_CHANGED", "key"),
        *((member, INVALID, "CHANGE_TOO_LARGE", "group_size") for member in crowded),
        *((member, INVALID, "GROUP_INCOMPLETE", "group_size") for member in cut),
        (insert(23, "i", _bucket="red"), DENIED, "BUCKET_NOT_GRANTED", "bucket"),
    ]

    answers = await upload_once(device, insert(1, "first"), *(change for change, *_ in bad), insert(30, "last"))

    assert verdicts(answers) == ["APPLIED", *(why for _, _, why, _ in bad), "APPLIED"]
    for answer, (_, code, _, field) in zip(answers[1:-1], bad, strict=True):
        assert answer.status.code == code.value[0]
        assert answer.status.message
        assert answer.revision == 0
        if field is not None:
            assert _fields(answer) == [field]
    assert set(records(store)) == {"first", "last"}
    assert [device.next_change_seq for device in store.list_devices("dev", after=None, limit=9)] == [31]


async def test_reused_numbers_with_other_bytes_and_cut_groups_leave_nothing_half_written(
    device: WireDevice, store: Store
) -> None:
    """The group's second half comes in the next message: both halves are refused, and its records are held."""
    members = group(b"cut", insert(1, "a"), insert(2, "b"))
    async with upload_call(device) as stream:
        assert verdicts(await stream.upload(members[0])) == ["GROUP_INCOMPLETE"]
        assert verdicts(await stream.upload(members[1], insert(3, "a"), insert(4, "c"))) == [
            "GROUP_INCOMPLETE",
            "HELD",
            "APPLIED",
        ]
        await stream.end()
    async with upload_call(device) as stream:
        await stream.send(*group(b"again", insert(4, "d"), insert(5, "e")))
        assert error_of(await stream.error()) == (FAILED, "SEQ_REUSED")

    assert set(records(store)) == {"c"}


async def test_a_record_in_a_bucket_that_is_not_granted_is_not_there(device: WireDevice, store: Store) -> None:
    store.write_records("dev", [note("n", "secret", bucket="red")])

    created, updated, deleted = await upload_once(
        device,
        insert(1, "n", "note", id="n", text="mine"),
        update(4, "m", "note", text="mine"),
        delete(5, "m", "note", seen={"id": "m"}),
    )

    assert verdicts([created, updated, deleted]) == ["KEY_TAKEN", "SERVER_WON", "APPLIED"]
    assert created.status.code == EXISTS.value[0]
    assert not created.HasField("conflict")
    assert b"secret" not in created.SerializeToString()
    (record,) = store.get_records("dev", "note", ["n"])
    assert (record.bucket, record.created_by) == ("red", b"")


async def test_policies_that_refuse_say_so_and_leave_the_record(device: WireDevice, store: Store) -> None:
    other = WireDevice(device.channel)
    await upload_once(other, insert(1, "a", "strict", text="theirs"), insert(2, "a", "resolved", text="theirs"))
    before = records(store, "strict"), records(store, "resolved")

    answers = await upload_once(
        device,
        update(1, "a", "strict", seen={"text": "old"}, text="mine"),
        update(2, "a", "resolved", seen={"text": "old"}, text="mine"),
    )
    (taken,) = await upload_once(device, insert(3, "a", "strict", text="mine"))

    assert verdicts([*answers, taken]) == ["CONFLICT_REFUSED", "RESOLVER_FAILED", "KEY_TAKEN"]
    assert [answer.status.code for answer in answers] == [FAILED.value[0]] * 2
    assert [list(answer.conflict.fields) for answer in (*answers, taken)] == [["text"]] * 3
    assert (records(store, "strict"), records(store, "resolved")) == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ([insert(1, "a", _change_uuid=b"short")], "changes[0].change_uuid"),
        ([insert(1, "a"), insert(1, "b")], "changes[1].change_seq"),
        ([insert(0, "a")], "changes[0].change_seq"),
        ([insert(seq, "a") for seq in range(1, 1_002)], "changes"),
    ],
)
async def test_a_message_that_breaks_a_rule_ends_the_stream(
    device: WireDevice, store: Store, changes: list[upload_pb2.Change], field: str
) -> None:
    async with upload_call(device) as stream:
        await stream.send(*changes)
        error = await stream.error()

    assert error_of(error) == (INVALID, "INVALID_FIELD")
    violations = detail_of(error, error_details_pb2.BadRequest).field_violations
    assert [violation.field for violation in violations] == [field]
    assert records(store) == {}


async def test_numbers_ascend_over_the_messages_of_a_stream(device: WireDevice) -> None:
    async with upload_call(device) as stream:
        await stream.upload(insert(5, "a"))
        await stream.upload()
        await stream.send(insert(5, "b"))
        assert error_of(await stream.error()) == (INVALID, "INVALID_FIELD")


async def test_bytes_that_are_no_message_end_the_stream(device: WireDevice) -> None:
    call: Any = device.channel.stream_stream("/syncline.v1.SyncService/Upload")(metadata=device.metadata)
    await call.write(b"\xff\xff\xff")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()

    assert error_of(caught.value) == (INVALID, "INVALID_FIELD")


async def test_g7_a_name_that_cannot_be_holds_no_other_record(device: WireDevice, store: Store) -> None:
    key, kind = "k" * 1_024, "t" * 60
    schema = store.read_schema("dev")
    wanted = replace(schema, object_types=(*schema.object_types, replace(schema.object_types[1], name=kind)))
    store.write_schema("dev", wanted, expected_version=schema.version)

    answers = await upload_once(
        device,
        insert(1, key + "k"),
        insert(2, key),
        insert(3, "a\0"),
        insert(4, "a\ufffd"),
        insert(5, "b", kind + "t"),
        insert(6, "b", kind),
    )

    assert verdicts(answers) == ["CHANGE_INVALID", "APPLIED"] * 3


class _Picky:
    """Stands before a store's `upload`, and refuses every batch that has a change of a key that begins with `bad`."""

    def __init__(self, store: Store) -> None:
        self._upload = store.upload

    def __call__(self, account_id: str, device_uuid: Any, batch: UploadBatch, judge: Any) -> UploadOutcome:
        if any(change.key.startswith("bad") and change.refusal is None for change in batch.changes):
            raise LimitReached("bytes in a frame", 1)
        return self._upload(account_id, device_uuid, batch, judge)


async def test_what_the_database_refuses_for_good_is_refused_alone(
    device: WireDevice, in_process_server: RunningApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky = _Picky(store)
    monkeypatch.setattr(in_process_server.store, "upload", picky)
    async with upload_call(device) as stream:
        answers = await stream.upload(
            insert(1, "a"),
            insert(2, "bad"),
            update(3, "bad", text="x"),
            *group(b"g", insert(4, "b"), insert(5, "bad2")),
            insert(6, "c"),
        )
        later = await stream.upload(update(7, "bad", text="y"), insert(8, "d"))
        alone = await stream.upload(insert(9, "bad3"))

    assert verdicts(answers) == ["APPLIED", "STORE_REFUSED", "HELD", "STORE_REFUSED", "STORE_REFUSED", "APPLIED"]
    assert "the limit of 1 bytes in a frame" in answers[1].status.message
    assert verdicts(later) == ["HELD", "APPLIED"]
    assert verdicts(alone) == ["STORE_REFUSED"]
    assert set(records(store)) == {"a", "c", "d"}


async def test_g7_a_key_that_only_one_database_takes_holds_nothing_up(device: WireDevice, store: Store) -> None:
    key = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(1_024))

    answers = await upload_once(device, insert(1, "a"), insert(2, key), insert(3, "b"))

    assert verdicts(answers) in (["APPLIED", "STORE_REFUSED", "APPLIED"], ["APPLIED"] * 3)
    assert set(records(store)) - {key} == {"a", "b"}


async def test_a_store_that_fails_by_itself_refuses_nothing(
    device: WireDevice, in_process_server: RunningApp, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LimitReached("patience", 0)

    async with upload_call(device) as stream:
        monkeypatch.setattr(in_process_server.store, "upload", fail)
        await stream.send(insert(1, "a"))
        assert error_of(await stream.error()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")
        monkeypatch.undo()
    assert verdicts(await upload_once(device, insert(1, "a"))) == ["APPLIED"]


async def test_answers_that_do_not_fit_one_message_come_with_the_repeat(
    device: WireDevice, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline.server.upload.answers.ANSWERS_BYTES_MAX", 10_000)
    other = WireDevice(device.channel)
    await upload_once(other, *(insert(seq, f"k{seq}", text="t" * 1_500) for seq in range(1, 6)))
    changes = [update(seq, f"k{seq}", seen={"text": "old"}, text="mine") for seq in range(1, 6)]

    answered: list[upload_pb2.ChangeAnswer] = []
    for _ in range(3):
        async with upload_call(device) as stream:
            await stream.send(*changes[len(answered) :])
            answered += await stream.receive()
            if len(answered) < len(changes):
                assert error_of(await stream.error()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")

    assert verdicts(answered) == ["SERVER_WON"] * 5
    assert len({answer.conflict.conflict_id for answer in answered}) == 5
