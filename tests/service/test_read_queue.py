"""ReadQueue over a socket, without `follow`."""

from __future__ import annotations

import json

import grpc
import pytest

from syncline.storage import Store
from syncline.v1 import queue_pb2
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import WireDevice, delete_note, error_of, frames, keys, next_page, note, notes, wire_device

CREATED, UPDATED, DELETED = (
    queue_pb2.EVENT_TYPE_CREATED,
    queue_pb2.EVENT_TYPE_UPDATED,
    queue_pb2.EVENT_TYPE_DELETED,
)


async def test_pages_are_numbered_joined_and_counted_down(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(5))

    pages = await device.read(await device.start_id(), page_size=2)

    assert [page.page_number for page in pages] == [1, 2, 3]
    assert [page.count for page in pages] == [2, 2, 1]
    assert [page.count_left for page in pages] == [3, 1, 0]
    spans = [(segment.from_revision, segment.to_revision) for page in pages for segment in page.segments]
    assert spans == [(0, 2), (2, 4), (4, 5)]
    assert keys(pages) == ["n0", "n1", "n2", "n3", "n4"]


async def test_frames_are_sent_as_they_were_stored(device: WireDevice, in_process_server: RunningApp) -> None:
    write = note("a", "text")
    in_process_server.store.write_records("dev", [write])

    (page,) = await device.sync()

    assert page.segments[0].frames == [write.frame]


async def test_a_delete_is_a_frame_without_data(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.write_records("dev", [note("a"), note("b")])
    await device.sync()
    store.write_records("dev", [delete_note("a"), note("b", "new"), note("c")])

    pages = await device.sync()

    assert [event for page in pages for event in page.segments[0].event_types] == [DELETED, UPDATED, CREATED]
    gone = frames(pages)[0]
    assert (gone.object_type, gone.key, gone.HasField("data")) == ("note", "a", False)
    assert gone.modified_at_us == 2


async def test_g2_freshest_an_item_that_changes_on_the_way_comes_again(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(2))
    (page,) = await device.read(await device.start_id())
    store.write_records("dev", [note("n0", "newer")])

    await device.acknowledge(page.page_ack_key)

    again = await device.sync()
    assert keys(again) == ["n0"]
    assert b"newer" in frames(again)[0].data


async def test_g5_checkpoint_equals_the_server_at_its_head_under_steady_writes(store: Store) -> None:
    """Each read takes two items only, each page waits for the acknowledgement of the one before."""
    store.write_records("dev", notes(6))
    model = {revision: (f"n{revision - 1}", "") for revision in range(1, 7)}
    async with running_app(store, read_items=2, pages_in_flight=1) as app, wire_device(app.address) as device:
        copy: dict[str, str] = {}
        async for page in device.stream(await device.start_id(), page_size=1):
            copy.update((frame.key, json.loads(frame.data)["text"]) for frame in frames([page]))
            result = store.write_records("dev", [note(f"n{page.page_number % 3}", f"change {page.page_number}")])
            model[result.head_revision] = (f"n{page.page_number % 3}", f"change {page.page_number}")
            await device.acknowledge(page.page_ack_key)

        assert page.HasField("checkpoint")
        assert copy == dict(model[revision] for revision in sorted(model) if revision <= page.checkpoint.head_revision)
        assert page.checkpoint.head_revision > 6


async def test_two_buckets_join_each_without_a_gap(in_process_server: RunningApp, device: WireDevice) -> None:
    store = in_process_server.store
    store.register_device("dev", device.uuid, now=1)
    store.grant_buckets("dev", device.uuid, ["red"])
    store.write_records("dev", [note(f"k{n}", bucket="red" if n % 2 else "") for n in range(10)])

    pages = await device.read(await device.start_id(), page_size=3)

    for bucket in ("", "red"):
        spans = [(s.from_revision, s.to_revision) for page in pages for s in page.segments if s.bucket == bucket]
        starts, ends = zip(*spans, strict=True)
        assert starts == (0, *ends[:-1])
        assert ends[-1] == 10


async def test_item_keys_are_sent_on_request(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(3))
    session_id = await device.start_id()

    (plain,) = await device.read(session_id)
    (keyed,) = await device.read(session_id, item_ack_keys=True)

    assert not plain.segments[0].item_ack_keys
    assert len(set(keyed.segments[0].item_ack_keys)) == 3


async def test_pages_are_cut_by_bytes(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", [note(f"n{n}", "x" * 900_000) for n in range(5)])

    pages = await device.read(await device.start_id())

    assert [page.count for page in pages] == [2, 2, 1]


async def test_a_superseded_stream_ends(device: WireDevice, in_process_server: RunningApp) -> None:
    session_id = await device.start_id(always=True)
    older = device.stream(session_id, follow=True)
    assert (await next_page(older)).HasField("checkpoint")

    newer = device.stream(session_id, follow=True)
    assert (await next_page(newer)).HasField("checkpoint")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await next_page(older)
    assert error_of(caught.value) == (grpc.StatusCode.ABORTED, "SUPERSEDED")
    in_process_server.store.write_records("dev", notes(1))
    in_process_server.wake()
    assert keys([await next_page(newer)]) == ["n0"]
    newer.cancel()


async def test_another_process_supersedes_by_the_store_alone(store: Store) -> None:
    """No wake-up comes across; the recheck of the idle stream finds it."""
    async with (
        running_app(store, recheck_seconds=0.01) as one,
        running_app(store) as two,
        wire_device(one.address) as here,
        wire_device(two.address, here.uuid) as there,
    ):
        session_id = await here.start_id(always=True)
        older = here.stream(session_id, follow=True)
        await next_page(older)
        newer = there.stream(session_id, follow=True)
        await next_page(newer)

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await next_page(older)

        assert error_of(caught.value) == (grpc.StatusCode.ABORTED, "SUPERSEDED")
        newer.cancel()


async def test_unacknowledged_pages_are_limited_and_overdue(store: Store) -> None:
    store.write_records("dev", notes(10))
    async with (
        running_app(store, pages_in_flight=3, ack_overdue_seconds=0.05) as app,
        wire_device(app.address) as device,
    ):
        stream = device.stream(await device.start_id(), page_size=1)
        pages = [await next_page(stream) for _ in range(3)]
        assert keys(pages) == ["n0", "n1", "n2"]

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await next_page(stream)

        assert error_of(caught.value) == (grpc.StatusCode.ABORTED, "ACK_OVERDUE")


@pytest.mark.parametrize("in_order", [True, False])
async def test_acknowledging_lets_more_pages_through(store: Store, in_order: bool) -> None:
    store.write_records("dev", notes(20))
    async with running_app(store, pages_in_flight=2) as app, wire_device(app.address) as device:
        stream = device.stream(await device.start_id(), page_size=1, item_ack_keys=True)
        got: list[str] = []
        while len(got) < 20:
            pages = [await next_page(stream), await next_page(stream)]
            got += keys(pages)
            for page in pages if in_order else reversed(pages):
                await device.acknowledge(*page.segments[0].item_ack_keys)

        assert got == [f"n{number}" for number in range(20)]
        assert await stream.read() is grpc.aio.EOF


async def test_a_cancelled_stream_leaves_nothing_behind(device: WireDevice, in_process_server: RunningApp) -> None:
    session_id = await device.start_id(always=True)
    stream = device.stream(session_id, follow=True)
    await next_page(stream)
    assert in_process_server.environment.notifier.accounts() == ["dev"]

    stream.cancel()

    await in_process_server.until(lambda: not in_process_server.environment.notifier.accounts())


async def test_a_revoked_bucket_ends_the_stream(store: Store) -> None:
    async with running_app(store) as app, wire_device(app.address) as reader:
        store.register_device("dev", reader.uuid, now=1)
        store.grant_buckets("dev", reader.uuid, ["red"])
        stream = reader.stream(await reader.start_id(always=True), follow=True)
        await next_page(stream)
        store.revoke_buckets("dev", reader.uuid, ["red"])
        store.write_records("dev", notes(1))
        app.wake()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await next_page(stream)

        assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")
