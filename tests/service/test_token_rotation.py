"""Keys of tokens are shared by servers, and changed without a stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from syncline.server.background import look_for_token_keys
from syncline.server.environment import now_us
from syncline.server.token_keys import retire_token_key, rotate_token_keys
from syncline.storage import Store
from syncline.v1 import queue_pb2
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import WireDevice, error_of, notes, wire_device

LONG_AGO = 1
"""When a key was made that all servers know by now."""


@asynccontextmanager
async def two_servers(store: Store) -> AsyncIterator[list[RunningApp]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running_app(store)) for _ in range(2)]


async def first_page(device: WireDevice) -> queue_pb2.QueuePage:
    (page,) = await device.read(await device.start_id(full_resync=True))
    return page


async def learn(*apps: RunningApp) -> None:
    """What each server does every half minute."""
    for app in apps:
        await look_for_token_keys(app.environment)


async def test_tokens_of_one_server_are_taken_by_another_and_after_a_restart(store: Store) -> None:
    store.write_records("dev", notes(2))
    async with two_servers(store) as (here, there), wire_device(here.address) as device:
        page = await first_page(device)
        async with wire_device(there.address, device.uuid) as same:
            assert (await same.acknowledge(page.page_ack_key)).acknowledged == 1
    async with running_app(store) as app, wire_device(app.address, device.uuid) as same:
        assert not (await same.start(positions=page.feeds)).HasField("session")


async def test_keys_are_rotated_while_servers_and_devices_work(store: Store) -> None:
    store.write_records("dev", notes(2))
    async with two_servers(store) as (here, there), wire_device(here.address) as device:
        old = await first_page(device)
        assert rotate_token_keys(store, now=LONG_AGO) == 2

        await learn(here)
        new = await first_page(device)
        assert {here.environment.token_keys.current[0], there.environment.token_keys.current[0]} == {1, 2}
        await learn(there)
        async with wire_device(there.address, device.uuid) as same:
            assert (await same.acknowledge(new.page_ack_key)).acknowledged == 1
            assert not (await same.start(positions=old.feeds)).HasField("session"), "what was sealed before is good"

        retire_token_key(store, 1, now=now_us())
        await learn(here, there)
        assert (await device.acknowledge(old.page_ack_key)).stale == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await device.start(positions=old.feeds)
        assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")
        assert (await first_page(device)).count == 2
        assert not (await device.start(positions=new.feeds)).HasField("session")
