"""One way to use either client's upload stream, for tests that hold both to the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

from syncline.client import AsyncSyncClient, AsyncUploadStream, Device, SyncClient, UploadStream
from syncline.v1 import upload_pb2


class InThread:
    """The blocking stream, used as the other one is."""

    def __init__(self, stream: UploadStream) -> None:
        self._stream = stream

    @property
    def in_flight(self) -> int:
        return self._stream.in_flight

    async def send(self, changes: Sequence[upload_pb2.Change], settled_through: int = 0) -> None:
        self._stream.send(changes, settled_through)

    async def receive(self) -> list[upload_pb2.ChangeAnswer]:
        return await asyncio.to_thread(self._stream.receive)

    def cancel(self) -> None:
        self._stream.cancel()


Stream = InThread | AsyncUploadStream
Open = Callable[..., AbstractAsyncContextManager[Stream]]
"""open(target, store_epoch, device=…)"""


@asynccontextmanager
async def open_blocking(target: str, store_epoch: str = "e", *, device: Device | None = None) -> AsyncIterator[Stream]:
    with SyncClient(target, device or uuid4()) as client, client.upload(store_epoch) as stream:
        yield InThread(stream)


@asynccontextmanager
async def open_asyncio(target: str, store_epoch: str = "e", *, device: Device | None = None) -> AsyncIterator[Stream]:
    async with AsyncSyncClient(target, device or uuid4()) as client, client.upload(store_epoch) as stream:
        yield stream
