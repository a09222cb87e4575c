"""Upload over a socket: verdicts, and what keeps changes in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from syncline.v1 import schema_pb2, upload_pb2
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, detail_of, error_of, frames, keys, next_page
from tests.service.uploading import (
    data,
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

FAILED = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store of each kind."""
    with open_uploading_store(store_url) as store:
        yield store


@pytest.fixture
def other(device: WireDevice) -> WireDevice:
    """Another device on the same connection."""
    return WireDevice(device.channel)


async def test_what_a_device_writes_reaches_the_others(device: WireDevice, other: WireDevice, store: Store) -> None:
    answers = await upload_once(
        device,
        insert(1, "a", text="x", stars=1),
        update(2, "a", seen={"text": "x"}, text="y", _base_revision=0),
        insert(3, "b", text="b"),
        delete(4, "b", seen={"text": "b"}),
        insert(5, "n", "note", id="n", text="t"),
    )

    assert verdicts(answers) == ["APPLIED"] * 5
    assert [answer.change_seq for answer in answers] == [1, 2, 3, 4, 5]
    assert answers[0].revision < answers[1].revision < answers[2].revision < answers[3].revision < answers[4].revision
    assert not any(answer.HasField("data") or answer.deleted or answer.HasField("conflict") for answer in answers)
    got = {frame.key: frame.data for frame in frames(await other.sync())}
    assert got == {"a": b'{"stars":1,"text":"y"}', "n": b'{"id":"n","text":"t"}'}
    assert records(store) == {"a": answers[1].revision}


async def test_two_devices_merge_by_fields_and_the_log_tells(device: WireDevice, other: WireDevice) -> None:
    seen: dict[str, Any] = {"text": "old", "stars": 1}
    (created,) = await upload_once(device, insert(1, "a", **seen))
    await upload_once(other, update(1, "a", seen=seen, text="theirs", _base_revision=created.revision))

    merged, won, gone = await upload_once(
        device,
        update(2, "a", seen=seen, text="mine", stars=2, _base_revision=created.revision),
        update(3, "a", seen=seen | {"stars": 2}, text="again", _base_revision=created.revision),
        update(4, "nothing", text="x"),
    )

    assert verdicts([merged, won, gone]) == ["MERGED", "SERVER_WON", "SERVER_WON"]
    assert data(merged) == data(won) == {"text": "theirs", "stars": 2}
    assert gone.deleted
    assert not gone.HasField("data")
    conflict = merged.conflict
    assert (conflict.object_type, conflict.key, conflict.device_uuid) == ("merged", "a", str(device.uuid))
    assert (conflict.operation, conflict.verdict) == (upload_pb2.OPERATION_UPDATE, upload_pb2.VERDICT_MERGED)
    assert conflict.policy == schema_pb2.CONFLICT_POLICY_MERGE_FIELDS
    assert list(conflict.fields) == ["text"]
    assert (conflict.device_data, conflict.server_data, conflict.result_data) == (
        b'{"stars":2,"text":"mine"}',
        b'{"stars":1,"text":"theirs"}',
        b'{"stars":2,"text":"theirs"}',
    )
    assert conflict.revision == merged.revision
    assert conflict.decide_time.seconds > 0


async def test_each_record_names_the_bucket_that_it_lives_in(
    device: WireDevice, other: WireDevice, store: Store
) -> None:
    await device.start()
    await other.start()
    store.grant_buckets("dev", device.uuid, ["red"])
    store.grant_buckets("dev", other.uuid, ["red"])
    await upload_once(device, insert(1, "a", text="x", _bucket="red"))
    await upload_once(other, update(1, "a", seen={"text": "x"}, text="y"))

    (frame,) = frames(await device.sync())

    assert (frame.bucket, frame.data) == ("red", b'{"text":"y"}')
    (record,) = store.get_records("dev", "merged", ["a"])
    assert record.bucket == "red"


async def test_g7_a_refusal_holds_back_its_record_alone_until_it_is_settled(device: WireDevice) -> None:
    async with upload_call(device) as stream:
        first = await stream.upload(insert(1, "a", more=1), update(2, "a", text="y"), insert(3, "b"))
        second = await stream.upload(update(4, "a", text="z"), settled_through=1)
        third = await stream.upload(insert(5, "a"), settled_through=4)

    assert verdicts(first) == ["CHANGE_INVALID", "HELD", "APPLIED"]
    assert verdicts(second) == ["HELD"]
    assert verdicts(third) == ["APPLIED"]


async def test_g3_a_transaction_is_done_whole_or_not_at_all(device: WireDevice, store: Store) -> None:
    answers = await upload_once(
        device,
        *group(b"one", insert(1, "a"), insert(2, "b")),
        *group(b"two", insert(3, "c"), insert(4, "d", stars="many"), insert(5, "e")),
        insert(6, "f"),
    )

    assert verdicts(answers) == ["APPLIED", "APPLIED", "GROUP_REJECTED", "CHANGE_INVALID", "GROUP_REJECTED", "APPLIED"]
    assert rejection_detail(answers[2], error_details_pb2.ErrorInfo).metadata == {"change_seq": "4"}
    assert set(records(store)) == {"a", "b", "f"}


async def test_messages_sent_ahead_are_answered_in_order(device: WireDevice) -> None:
    async with upload_call(device) as stream:
        for seq in range(1, 41, 2):
            await stream.send(insert(seq, f"k{seq}"), insert(seq + 1, f"k{seq + 1}"))
        await stream.call.done_writing()

        for seq in range(1, 41, 2):
            assert [answer.change_seq for answer in await stream.receive()] == [seq, seq + 1]
        await stream.end()


async def test_a_message_without_changes_tells_what_is_settled(device: WireDevice) -> None:
    async with upload_call(device) as stream:
        await stream.upload(insert(1, "a"), insert(7, "b"))
        assert await stream.upload(settled_through=7) == []
        await stream.end()

    answer = await device.start()

    assert (answer.next_change_seq, answer.settled_through) == (8, 7)


async def test_a_live_stream_of_another_device_is_woken(device: WireDevice, other: WireDevice) -> None:
    live = other.stream(await other.start_id(always=True), follow=True)
    await next_page(live)

    await upload_once(device, insert(1, "a"))

    assert keys([await next_page(live)]) == ["a"]
    live.cancel()


async def test_g6_a_change_that_comes_again_is_applied_once(
    device: WireDevice, other: WireDevice, store: Store
) -> None:
    changes = [
        insert(1, "a", text="old"),
        update(2, "a", seen={"text": "?"}, text="new"),
        insert(3, "b", more=1),
        *group(b"g", insert(4, "c"), insert(5, "d")),
    ]
    first = await upload_once(device, *changes)
    await upload_once(other, update(1, "c", text="theirs"))
    before = records(store)

    repeated = await upload_once(WireDevice(other.channel, device.uuid), *changes)
    for seq, change in enumerate(changes, start=11):
        change.change_seq = seq
    renumbered = await upload_once(device, *changes)

    assert verdicts(first) == ["APPLIED", "SERVER_WON", "CHANGE_INVALID", "APPLIED", "APPLIED"]
    assert first == repeated
    assert verdicts(renumbered) == verdicts(first)
    assert [answer.revision for answer in renumbered] == [answer.revision for answer in first]
    assert records(store) == before
    assert data(first[1]) == {"text": "old"}


async def test_g6_a_stream_that_breaks_before_its_answer_is_repeated_on_another_connection(
    device: WireDevice, in_process_server: RunningApp, store: Store
) -> None:
    changes = [
        insert(1, "a", text="x"),
        update(2, "a", seen={"text": "x"}, text="y"),
        delete(3, "a", seen={"text": "y"}),
    ]
    async with upload_call(device) as stream:
        await stream.send(*changes)
        await in_process_server.until(lambda: store.get_device("dev", device.uuid).next_change_seq == 4)
    head = store.get_head("dev")

    answers = await upload_once(device, *changes)

    assert verdicts(answers) == ["APPLIED"] * 3
    assert store.get_head("dev") == head
    assert records(store) == {}


async def test_a_number_that_was_used_ends_the_stream_after_the_answers_before_it(
    device: WireDevice, store: Store
) -> None:
    await upload_once(device, insert(2, "used"))
    async with upload_call(device) as stream:
        await stream.send(insert(1, "a"), insert(2, "b"), insert(3, "c"))
        answers = await stream.receive()
        error = await stream.error()

    assert verdicts(answers) == ["APPLIED"]
    assert error_of(error) == (FAILED, "SEQ_REUSED")
    metadata = detail_of(error, error_details_pb2.ErrorInfo).metadata
    assert metadata == {"change_seq": "2", "next_change_seq": "3"}
    assert set(records(store)) == {"used", "a"}


async def test_a_settled_number_ends_the_stream(device: WireDevice, store: Store) -> None:
    async with upload_call(device) as stream:
        await stream.upload(insert(1, "a"), insert(5, "b"), settled_through=0)
        await stream.upload(settled_through=5)
    async with upload_call(device) as stream:
        await stream.send(insert(3, "c"), insert(6, "d"))
        error = await stream.error()

    assert error_of(error) == (FAILED, "SEQ_SETTLED")
    assert detail_of(error, error_details_pb2.ErrorInfo).metadata == {"change_seq": "3"}
    assert set(records(store)) == {"a", "b"}


async def test_a_device_that_was_forgotten_is_told(device: WireDevice) -> None:
    async with upload_call(device) as stream:
        await stream.send(insert(8, "a"), settled_through=7)
        assert error_of(await stream.error()) == (FAILED, "STALE_DEVICE")


@pytest.mark.parametrize("store_epoch", ["1", "f" * 40, "not one of ours", "0x1f", "-1"])
async def test_another_history_ends_the_stream_before_anything_is_decided(
    device: WireDevice, store: Store, store_epoch: str
) -> None:
    async with upload_call(device, store_epoch=store_epoch) as stream:
        await stream.send(insert(1, "a"))
        assert error_of(await stream.error()) == (FAILED, "STORE_EPOCH_CHANGED")
    assert records(store) == {}


async def test_a_newer_stream_ends_the_older_one(device: WireDevice, store: Store) -> None:
    async with upload_call(device) as older:
        await older.upload(insert(1, "a"))
        async with upload_call(device) as newer:
            await newer.upload(insert(2, "b"))
            await older.send(insert(3, "c"))

            assert error_of(await older.error()) == (grpc.StatusCode.ABORTED, "SUPERSEDED")
            assert verdicts(await newer.upload(insert(3, "d"))) == ["APPLIED"]
    assert set(records(store)) == {"a", "b", "d"}


async def test_an_expired_device_downloads_first(device: WireDevice, store: Store) -> None:
    async with upload_call(device) as stream:
        store.collect("dev", devices_seen_before=1 << 60, now=1)
        await stream.send(insert(1, "a"))

        assert error_of(await stream.error()) == (FAILED, "RESYNC_REQUIRED")
    assert records(store) == {}
