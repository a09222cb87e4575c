"""FetchQueue over a socket."""

from __future__ import annotations

import asyncio

import grpc

from syncline.v1 import queue_pb2, sync_service_pb2
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, keys, note, notes


async def test_pages_come_one_by_one_with_item_keys(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(3))
    session_id = await device.start_id()

    pages = [await device.fetch(session_id, page_size=2) for _ in range(3)]

    assert [page.page_number for page in pages] == [1, 2, 3]
    assert [keys([page]) for page in pages] == [["n0", "n1"], ["n2"], []]
    assert [page.count_left for page in pages] == [1, 0, 0]
    assert [page.HasField("checkpoint") for page in pages] == [False, True, True]
    item_keys = [key for page in pages for segment in page.segments for key in segment.item_ack_keys]
    assert len(item_keys) == 3
    assert (await device.acknowledge(*item_keys)).acknowledged == 3
    assert not (await device.start()).HasField("session")


async def test_parallel_connections_drain_a_session_together(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(60))
    session_id = await device.start_id()

    async def drain() -> list[queue_pb2.QueuePage]:
        async with grpc.aio.insecure_channel(in_process_server.address) as channel:
            connection = WireDevice(channel, device.uuid)
            pages: list[queue_pb2.QueuePage] = []
            while not pages or pages[-1].count:
                pages.append(await connection.fetch(session_id, page_size=3))
                await connection.acknowledge(pages[-1].page_ack_key)
            return pages

    drained = await asyncio.gather(*(drain() for _ in range(6)))

    pages = sorted((page for pages in drained for page in pages), key=lambda page: page.page_number)
    assert [page.page_number for page in pages] == list(range(1, len(pages) + 1))
    assert keys(pages) == [f"n{number}" for number in range(60)]
    assert not (await device.start()).HasField("session")


async def test_segments_join_over_buckets(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.register_device("dev", device.uuid, now=1)
    store.grant_buckets("dev", device.uuid, ["red"])
    store.write_records("dev", [note(f"k{n}", bucket="red" if n % 3 else "") for n in range(10)])
    session_id = await device.start_id()
    pages = [await device.fetch(session_id, page_size=2)]
    while not pages[-1].HasField("checkpoint"):
        pages.append(await device.fetch(session_id, page_size=2))

    for bucket in ("", "red"):
        spans = [(s.from_revision, s.to_revision) for page in pages for s in page.segments if s.bucket == bucket]
        starts, ends = zip(*spans, strict=True)
        assert starts == (0, *ends[:-1])
    assert sorted(keys(pages)) == [f"k{n}" for n in range(10)]


async def test_redelivered_items_come_first(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(3))
    (page,) = await device.read(await device.start_id())
    refused = [sync_service_pb2.Rejection(object_type="note", key=f"n{n}", revision=n + 1) for n in range(3)]
    await device.acknowledge(page.page_ack_key, rejections=refused)
    store.write_records("dev", [note("new")])
    session_id = await device.start_id()

    pages = [await device.fetch(session_id, page_size=2) for _ in range(4)]

    assert [keys([page]) for page in pages] == [["n0", "n1"], ["n2"], ["new"], []]
    assert [segment.redelivered for page in pages for segment in page.segments] == [True, True, False]
    assert [len(page.failed_objects) for page in pages] == [3, 0, 0, 0]


async def test_what_changes_after_the_checkpoint_comes_too(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(1))
    session_id = await device.start_id()
    assert keys([await device.fetch(session_id)]) == ["n0"]
    assert (await device.fetch(session_id)).count == 0
    in_process_server.store.write_records("dev", [note("n1")])

    page = await device.fetch(session_id)

    assert keys([page]) == ["n1"]
    assert (page.segments[0].from_revision, page.segments[0].to_revision) == (1, 2)
