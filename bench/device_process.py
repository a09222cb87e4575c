"""A process with many devices that listen to live streams, each on a connection of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from typing import Literal
from uuid import uuid4

import grpc

from bench import bare_server
from syncline.v1 import sync_service_pb2
from syncline.v1.sync_service_pb2_grpc import SyncServiceStub

Server = Literal["syncline", "bare"]

_OPENING_MAX = 32
"""Devices that open their streams at the same time."""

Arrivals = AsyncIterator[int]
"""When each message was in the device's hands, by the machine's monotonic clock, in nanoseconds. The next one is not
awaited before this one is acknowledged."""


class DeviceProcess:
    """The devices, as seen from the benchmark."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def open_streams(self, count: int) -> None:
        """Open so many further streams; returns when each of them has had its first page."""
        self._pipe.send(count)
        self._pipe.recv()

    def next_arrivals(self) -> list[int]:
        """When each of the devices had the next message, in nanoseconds of `time.perf_counter_ns`.

        Waits until all of them have it and have acknowledged it. Only one message may be on its way at a time.
        """
        arrivals: list[int] = self._pipe.recv()
        return arrivals


@contextmanager
def start_devices(server: Server, address: str) -> Iterator[DeviceProcess]:
    """Run a process whose devices talk to this server; end it, and their streams, at the end of the block."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_run, args=(theirs, server, address), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is noticed
    try:
        yield DeviceProcess(ours)
    finally:
        process.kill()
        process.join()


def _run(pipe: Connection, server: Server, address: str) -> None:
    asyncio.run(_Devices(pipe, server, address).run())


class _Devices:
    """The devices, inside their process."""

    def __init__(self, pipe: Connection, server: Server, address: str) -> None:
        self._pipe = pipe
        self._listen = _listen_to_syncline if server == "syncline" else _listen_to_bare
        self._address = address
        self._opening = asyncio.Semaphore(_OPENING_MAX)
        self._streams: list[asyncio.Task[None]] = []
        self._arrivals: list[int] = []

    async def run(self) -> None:
        """Open as many streams as asked for, again and again."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                count = await asyncio.to_thread(self._pipe.recv)
                opened = [asyncio.Event() for _ in range(count)]
                self._streams += [tasks.create_task(self._device(event.set)) for event in opened]
                for event in opened:
                    await event.wait()
                self._pipe.send("opened")

    async def _device(self, opened: Callable[[], None]) -> None:
        await self._opening.acquire()
        async with self._listen(self._address) as arrivals:
            self._opening.release()
            opened()
            async for arrived_at in arrivals:
                self._arrivals.append(arrived_at)
                if len(self._arrivals) == len(self._streams):
                    self._pipe.send(self._arrivals)
                    self._arrivals = []


@asynccontextmanager
async def _listen_to_syncline(address: str) -> AsyncIterator[Arrivals]:
    """A device at its checkpoint, following."""
    metadata = (("syncline-device-uuid", str(uuid4())),)
    async with _connect(address) as channel:
        stub = SyncServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        started = await stub.StartSession(sync_service_pb2.StartSessionRequest(always=True), metadata=metadata)
        request = sync_service_pb2.ReadQueueRequest(session_id=started.session.id, follow=True)
        pages = stub.ReadQueue(request, metadata=metadata)

        async def acknowledge(key: str) -> None:
            await stub.Acknowledge(sync_service_pb2.AcknowledgeRequest(ack_keys=[key]), metadata=metadata)

        async def arrivals() -> Arrivals:
            async for page in pages:
                arrived_at = time.perf_counter_ns()
                await acknowledge(page.page_ack_key)
                yield arrived_at

        async for page in pages:
            if page.page_ack_key:
                await acknowledge(page.page_ack_key)
            if page.HasField("checkpoint"):
                break
        yield arrivals()


@asynccontextmanager
async def _listen_to_bare(address: str) -> AsyncIterator[Arrivals]:
    """A stream that has had its first message."""
    async with _connect(address) as channel:
        listen: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
            f"/{bare_server.SERVICE}/{bare_server.METHOD}"
        )
        messages = listen(b"")

        async def arrivals() -> Arrivals:
            while await messages.read() is not grpc.aio.EOF:
                yield time.perf_counter_ns()

        await messages.read()
        yield arrivals()


def _connect(address: str) -> AbstractAsyncContextManager[grpc.aio.Channel]:
    """A connection that no other device shares, as devices are on machines of their own."""
    return grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
