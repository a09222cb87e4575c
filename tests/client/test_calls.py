"""The calls themselves: equal in both clients, cancelled when left."""

from __future__ import annotations

import asyncio
import inspect
from threading import Thread
from uuid import uuid4

import pytest

from syncline import client as package
from syncline.client import (
    Ack,
    AlreadySyncing,
    AsyncSyncClient,
    ClientClosed,
    Data,
    EventType,
    InvalidOption,
    Meta,
    Page,
    PageInvalid,
    SyncClient,
)
from syncline.client.async_devices import AsyncDeviceClient
from syncline.client.devices import DeviceClient
from tests.client.scripted import Item, ScriptedService, items, page


def surface(kind: type) -> dict[str, object]:
    """The public names of a client, with the parameters of each."""
    members = {name: member for name, member in inspect.getmembers(kind) if not name.startswith("_")}
    return {
        name: list(inspect.signature(member).parameters.values()) if callable(member) else type(member)
        for name, member in (members | {"(constructor)": kind}).items()
    }


def test_both_clients_have_the_same_surface() -> None:
    blocking, asynchronous = surface(SyncClient), surface(AsyncSyncClient)
    assert blocking.keys() == asynchronous.keys()
    assert str(surface(DeviceClient)) == str(surface(AsyncDeviceClient))
    for name, parameters in blocking.items():
        expected = str(parameters).replace("Handler", "AsyncHandler") if name == "sync" else str(parameters)
        assert str(asynchronous[name]) == expected, name


def test_everything_exported_is_there_and_documented() -> None:
    undocumented = [
        name
        for name in package.__all__
        if inspect.isclass(getattr(package, name)) and not getattr(package, name).__doc__
    ]
    assert undocumented == []


def test_a_page_opens_into_items(service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, [Item("a", 3, b'{"n":1}'), Item("b", 4, None)], checkpoint=4)])
    with SyncClient(scripted, uuid4()) as client:
        (received,) = client.read_queue("s", item_ack_keys=True)
    (first, data), (second, nothing) = received.items()
    assert first == Meta("note", "a", EventType.UPDATED, 3, "all", "", 7, redelivered=False)
    assert first.modified_at.isoformat() == "1970-01-01T00:00:00.000007+00:00"
    assert data == {"n": 1}
    assert (second.event_type, nothing) == (EventType.DELETED, None)
    assert received.item_ack_keys() == ["item 3", "item 4"]
    assert (received.number, received.ack_key) == (1, "page 1")
    assert received.checkpoint is not None


def test_a_page_that_breaks_the_contract_is_told() -> None:
    garbled, uneven = page(1, items(1, 2)), page(1, items(1, 2))
    garbled.segments[0].frames[1] = b"\xff"
    del uneven.segments[0].revisions[1]
    for message in (garbled, uneven):
        with pytest.raises(PageInvalid, match="page 1"):
            list(Page(message).items())


def test_an_early_break_cancels_the_call(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.streams.append([page(1, items(1, 2)), page(2, items(3, 4))])
    with SyncClient(scripted, uuid4()) as client:
        for _ in client.read_queue("s"):
            break
        assert service.stream_ended.wait(10)


async def test_an_early_break_cancels_the_asyncio_call(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.streams.append([page(1, items(1, 2)), page(2, items(3, 4))])
    async with AsyncSyncClient(scripted, uuid4()) as client:
        async for _ in client.read_queue("s"):
            break
        assert await asyncio.to_thread(service.stream_ended.wait, 10)


def test_cancel_ends_the_iteration(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.streams.append([page(1)])
    with SyncClient(scripted, uuid4()) as client, client.read_queue("s", follow=True) as pages:
        next(pages)
        Thread(target=pages.cancel).start()
        assert list(pages) == []


async def test_cancel_ends_the_asyncio_iteration(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.streams.append([page(1)])
    async with AsyncSyncClient(scripted, uuid4()) as client, client.read_queue("s", follow=True) as pages:
        await anext(pages)
        asyncio.get_running_loop().call_soon(pages.cancel)
        assert [received async for received in pages] == []


def test_stop_ends_a_follow(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.streams.append([page(1, items(1, 2), checkpoint=2)])
    with SyncClient(scripted, uuid4()) as client:

        def handler(meta: Meta, data: Data | None) -> Ack:
            if meta.key == "2":
                Thread(target=client.stop).start()
            return Ack.ACK

        result = client.sync(handler, follow=True)
    assert result.stopped
    assert result.handled == 2
    assert service.start_requests[0].always
    assert service.read_requests[0].follow


async def test_stop_ends_an_asyncio_follow_in_the_middle_of_a_page(service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, items(1, 3), checkpoint=3)])
    async with AsyncSyncClient(scripted, uuid4()) as client:

        async def handler(meta: Meta, data: Data | None) -> Ack:
            client.stop()
            return Ack.ACK

        result = await client.sync(handler, follow=True)
    assert (result.stopped, result.handled, result.acknowledged) == (True, 1, 1)
    assert service.acks() == [["item 1"]]


async def test_a_stop_without_a_run_ends_the_next_one_only(service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, items(1, 1), checkpoint=1)])
    async with AsyncSyncClient(scripted, uuid4()) as client:
        client.stop()
        assert (await client.sync(lambda meta, data: Ack.ACK, follow=True)).stopped
        assert not (await client.sync(lambda meta, data: Ack.ACK)).stopped


async def test_cancelling_the_task_acknowledges_what_was_handled(service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, items(1, 3), checkpoint=3)])
    reached = asyncio.Event()

    async def handler(meta: Meta, data: Data | None) -> Ack:
        if meta.key == "2":
            reached.set()
            await asyncio.Event().wait()
        return Ack.ACK

    async with AsyncSyncClient(scripted, uuid4()) as client:
        task = asyncio.create_task(client.sync(handler))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert service.acks() == [["item 1"]]


async def test_cancelling_the_task_ends_a_waiting_follow(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.streams.append([page(1, items(1, 1), checkpoint=1)])
    reached = asyncio.Event()

    async def handler(meta: Meta, data: Data | None) -> Ack:
        reached.set()
        return Ack.ACK

    async with AsyncSyncClient(scripted, uuid4()) as client:
        task = asyncio.create_task(client.sync(handler, follow=True))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(service.stream_ended.wait, 10)


def test_a_device_has_one_sync_at_a_time(service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, items(1, 1), checkpoint=1)])
    refused: list[AlreadySyncing] = []
    with SyncClient(scripted, uuid4()) as client:

        def handler(meta: Meta, data: Data | None) -> Ack:
            with pytest.raises(AlreadySyncing) as caught:
                client.sync(handler)
            refused.append(caught.value)
            return Ack.ACK

        client.sync(handler)
    assert len(refused) == 1


def test_a_blocking_client_refuses_a_coroutine_function() -> None:
    async def handler(meta: Meta, data: Data | None) -> Ack:
        return Ack.ACK

    with SyncClient("127.0.0.1:1", uuid4()) as client, pytest.raises(InvalidOption, match="AsyncSyncClient"):
        client.sync(handler)  # type: ignore[arg-type]


async def test_a_closed_client_says_so() -> None:
    client = SyncClient("127.0.0.1:1", uuid4())
    client.close()
    client.close()
    with pytest.raises(ClientClosed):
        client.start_session()
    with pytest.raises(ClientClosed):
        client.read_queue("s")
    asynchronous = AsyncSyncClient("127.0.0.1:1", uuid4())
    await asynchronous.close()
    with pytest.raises(ClientClosed):
        await asynchronous.start_session()
