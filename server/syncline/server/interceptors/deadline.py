"""Ends unary calls that take too long, whatever their clients allow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc

from syncline.server.errors import DeadlineReached
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.wrapping import Handler, is_ours, wrap_handler


class DeadlineInterceptor(grpc.aio.ServerInterceptor):
    """Bounds the time of calls that have one request and one answer. Must stand inside the one that answers errors.

    gRPC itself ends a call at its client's deadline, but a client need not set any.
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        if handler is None or not is_ours(handler_call_details.method):
            return handler
        if handler.request_streaming or handler.response_streaming:
            return handler
        return wrap_handler(handler, self._bound)

    @asynccontextmanager
    async def _bound(self, _: CallContext) -> AsyncIterator[None]:
        timer = asyncio.timeout(self._seconds_max)
        try:
            async with timer:
                yield
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineReached(self._seconds_max) from None
