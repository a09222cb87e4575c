"""A process with many devices that all begin at once, each on a connection of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import grpc

from syncline.client import Ack, AsyncSyncClient, Data, Meta, SyncError
from syncline.v1 import queue_pb2
from tests.harness.wire import WireDevice

_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True, slots=True)
class Came:
    """What became of one device."""

    items: int
    seconds: float
    failure: str


@contextmanager
def client_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes to run the functions of this file in."""
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as processes:
        yield processes


def sync_at_once(address: str, devices: int) -> list[Came]:
    """Let so many clients synchronise, each with the patience that a client has by default."""

    async def one() -> Came:
        began = time.monotonic()
        try:
            async with AsyncSyncClient(address, uuid4()) as client:
                result = await client.sync(_take)
        except SyncError as error:
            return Came(0, time.monotonic() - began, f"{type(error).__name__}: {error}")
        return Came(result.acknowledged, time.monotonic() - began, "")

    async def all_of_them() -> list[Came]:
        return await asyncio.gather(*(one() for _ in range(devices)))

    return asyncio.run(all_of_them())


async def _take(_meta: Meta, _data: Data | None) -> Ack:
    return Ack.ACK


def load_at_once(address: str, devices: int) -> list[Came]:
    """Let so many devices load everything, as fast as they can: they parse nothing."""

    async def one() -> Came:
        began = time.monotonic()
        items = 0
        while True:  # until it was its turn
            try:
                async with grpc.aio.insecure_channel(address, options=_OWN_CONNECTION) as channel:
                    items = await _load(channel)
                return Came(items, time.monotonic() - began, "")
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    return Came(items, time.monotonic() - began, str(error.code()))
                await asyncio.sleep(5)

    async def all_of_them() -> list[Came]:
        return await asyncio.gather(*(one() for _ in range(devices)))

    return asyncio.run(all_of_them())


async def _load(channel: grpc.aio.Channel) -> int:
    device = WireDevice(channel)
    return sum([page.count async for page in _pages(device, await device.start_id(full_resync=True))])


def sync_small(address: str, devices: int, seconds: float) -> list[float]:
    """How long each small synchronisation took, of devices that ask for news without end."""

    async def one(end: float) -> list[float]:
        took: list[float] = []
        async with grpc.aio.insecure_channel(address, options=_OWN_CONNECTION) as channel:
            device = WireDevice(channel)
            pages = [page async for page in _pages(device, await device.start_id(full_resync=True))]
            while time.monotonic() < end:
                began = time.monotonic()
                session_id = await device.start_id(positions=pages[-1].feeds, always=True)
                pages = [page async for page in _pages(device, session_id)]
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.2)
        return took

    async def all_of_them() -> list[float]:
        end = time.monotonic() + seconds
        return [took for of_one in await asyncio.gather(*(one(end) for _ in range(devices))) for took in of_one]

    return asyncio.run(all_of_them())


async def _pages(device: WireDevice, session_id: str) -> AsyncIterator[queue_pb2.QueuePage]:
    """The pages of the session; each is acknowledged."""
    async for page in device.stream(session_id, page_size=5_000):
        await device.acknowledge(page.page_ack_key)
        yield page


def spread(processes: ProcessPoolExecutor, count: int, address: str, devices: int) -> list[Future[list[Came]]]:
    """Let the devices of several processes load at once."""
    return [processes.submit(load_at_once, address, devices // count) for _ in range(count)]
