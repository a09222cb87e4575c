"""Acknowledge over a socket."""

from __future__ import annotations

import grpc
import pytest

from syncline.server.limits import ACK_KEY_CHARS_MAX
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, error_of, keys, note, notes


async def left(device: WireDevice) -> list[str]:
    """What a new session would bring, without acknowledging it."""
    session_id = await device.start_id()
    return keys(await device.read(session_id)) if session_id else []


async def test_pages_in_any_order_and_twice(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(6))
    pages = await device.read(await device.start_id(), page_size=2)

    for number, page in enumerate(reversed(pages)):
        answer = await device.acknowledge(page.page_ack_key)
        assert (answer.acknowledged, answer.stale) == (1, 0)
        assert await left(device) == [f"n{n}" for n in range(4 - 2 * number)]
    again = await device.acknowledge(*(page.page_ack_key for page in pages))

    assert (again.acknowledged, again.stale) == (0, 3)


async def test_items_one_by_one(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(3))
    (page,) = await device.read(await device.start_id(), item_ack_keys=True)
    first, second, third = page.segments[0].item_ack_keys

    await device.acknowledge(second)
    assert await left(device) == ["n0", "n2"]
    await device.acknowledge(first, third)

    assert await left(device) == []


async def test_mangled_unknown_and_foreign_keys_are_stale(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(2))
    (page,) = await device.read(await device.start_id())
    other = WireDevice(device.channel)
    (others,) = await other.read(await other.start_id())
    mangled = page.page_ack_key[:-1] + ("A" if page.page_ack_key[-1] != "A" else "B")

    answer = await device.acknowledge("", "?", "é", mangled, others.page_ack_key, "A" * ACK_KEY_CHARS_MAX)

    assert (answer.acknowledged, answer.stale) == (0, 6)
    assert await left(device) == ["n0", "n1"]


async def test_a_stale_key_does_not_hide_the_new_state(device: WireDevice, in_process_server: RunningApp) -> None:
    """G2: the acknowledgement of the old revision leaves the new one to come."""
    in_process_server.store.write_records("dev", [note("a")])
    (page,) = await device.read(await device.start_id(), item_ack_keys=True)
    in_process_server.store.write_records("dev", [note("a", "new")])

    await device.acknowledge(page.page_ack_key, *page.segments[0].item_ack_keys)

    assert await left(device) == ["a"]


async def test_an_over_long_key_is_refused_and_nothing_is_taken(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    in_process_server.store.write_records("dev", notes(1))
    (page,) = await device.read(await device.start_id())

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await device.acknowledge(page.page_ack_key, "A" * (ACK_KEY_CHARS_MAX + 1))

    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert await left(device) == ["n0"]
