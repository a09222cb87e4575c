"""Open streams of pages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import grpc

from syncline.client.failures import AsyncFailed, Failed
from syncline.client.pages import Page
from syncline.client.tracing import allow_cancel
from syncline.v1 import queue_pb2, sync_service_pb2


class _Call(Iterator[queue_pb2.QueuePage], Protocol):
    """An open call; gRPC has no public name for it."""

    def cancel(self) -> object: ...


class PageStream:
    """The pages of one ReadQueue call, as an iterator.

    The call ends when the last page is read, on `cancel`, at the end of a `with` block, or when nothing holds the
    iterator any more (gRPC sees to that), as after an early `break`.
    """

    def __init__(self, call: _Call, failed: Failed) -> None:
        self._call = call
        self._failed = failed
        self._cancelled = False
        allow_cancel(call)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Page:
        try:
            return Page(next(self._call))
        except grpc.RpcError as error:
            if self._cancelled:
                raise StopIteration from None
            raise self._failed(error) from error

    def cancel(self) -> None:
        """End the call; iteration then stops without an error. May be called from another thread."""
        self._cancelled = True
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()


class AsyncPageStream:
    """The pages of one ReadQueue call, as an asynchronous iterator.

    The call ends when the last page is read, on `cancel`, at the end of an `async with` block, or when nothing holds
    the iterator any more, as after an early `break`.
    """

    def __init__(
        self,
        call: grpc.aio.UnaryStreamCall[sync_service_pb2.ReadQueueRequest, queue_pb2.QueuePage],
        failed: AsyncFailed,
    ) -> None:
        self._call = call
        self._failed = failed
        self._cancelled = False
        allow_cancel(call)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page:
        try:
            message = await self._call.read()
        except grpc.RpcError as error:
            if self._cancelled:
                raise StopAsyncIteration from None
            raise await self._failed(error) from error
        except asyncio.CancelledError:
            # gRPC raises this for a call that was cancelled as well as in a task that is being cancelled.
            task = asyncio.current_task()
            if self._cancelled and not (task is not None and task.cancelling()):
                raise StopAsyncIteration from None
            raise
        if not isinstance(message, queue_pb2.QueuePage):  # gRPC's end-of-file mark
            raise StopAsyncIteration
        return Page(message)

    def cancel(self) -> None:
        """End the call; iteration then stops without an error."""
        self._cancelled = True
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __del__(self) -> None:
        # gRPC's own asyncio call is part of a cycle, so that it would live on until the next garbage collection.
        with contextlib.suppress(RuntimeError):  # the event loop is closed, and the call with it
            self._call.cancel()
