"""Live streams."""

from __future__ import annotations

import asyncio

from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, delete_note, keys, next_page, note, wire_device


async def test_changes_come_as_they_happen(device: WireDevice, in_process_server: RunningApp) -> None:
    stream = device.stream(await device.start_id(always=True), follow=True)
    assert (await next_page(stream)).HasField("checkpoint")

    for number, write in enumerate([note("a"), note("a", "new"), delete_note("a")], start=1):
        head = in_process_server.store.write_records("dev", [write]).head_revision
        in_process_server.wake()
        page = await next_page(stream)
        assert keys([page]) == ["a"]
        assert (page.segments[0].from_revision, page.segments[0].to_revision) == (number - 1, number)
        assert page.checkpoint.head_revision == head
    stream.cancel()


async def test_a_write_without_a_wake_up_is_found_by_polling(device: WireDevice, in_process_server: RunningApp) -> None:
    stream = device.stream(await device.start_id(always=True), follow=True)
    await next_page(stream)

    in_process_server.store.write_records("dev", [note("a")])

    assert keys([await next_page(stream)]) == ["a"]
    stream.cancel()


async def test_what_other_buckets_hold_sends_nothing(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    stream = device.stream(await device.start_id(always=True), follow=True)
    await next_page(stream)
    store.write_records("dev", [note("hidden", bucket="red")])
    in_process_server.wake()
    store.write_records("dev", [note("seen")])
    in_process_server.wake()

    page = await next_page(stream)

    assert keys([page]) == ["seen"]
    assert page.page_number == 2
    stream.cancel()


async def test_a_hundred_streams_are_all_woken(in_process_server: RunningApp) -> None:
    async with wire_device(in_process_server.address) as first:
        devices = [first, *(WireDevice(first.channel) for _ in range(99))]
        streams = [device.stream(await device.start_id(always=True), follow=True) for device in devices]
        await asyncio.gather(*(next_page(stream) for stream in streams))

        in_process_server.store.write_records("dev", [note("a")])
        in_process_server.wake()

        pages = await asyncio.gather(*(next_page(stream) for stream in streams))
        assert [keys([page]) for page in pages] == [["a"]] * 100
        for stream in streams:
            stream.cancel()
