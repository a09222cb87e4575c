"""Drops streams that nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import structlog

from syncline.server.errors import StreamUnread
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.wrapping import Handler, is_ours

_log = structlog.get_logger(__name__)


class ReaderInterceptor(grpc.aio.ServerInterceptor):
    """Drops a stream whose next message its client does not take in time: all that the server holds for it goes.

    Such a client is connected and answers pings, so that neither keepalive nor the count of unacknowledged pages finds
    it: the stream waits inside gRPC. Of the call nothing stays but that message, behind which the status must wait; a
    client that reads again is told. (The call's task must not be cancelled: gRPC would send no status at all, and a
    client that comes back would wait for ever.)
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
        method = handler_call_details.method
        if handler is None or not is_ours(method) or not handler.response_streaming:
            return handler
        behaviour: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        watched = self._watching(method, behaviour)
        return make(watched, handler.request_deserializer, handler.response_serializer)

    def _watching(
        self, method: str, behaviour: Callable[[Any, CallContext], AsyncGenerator[Any, None]]
    ) -> Callable[[Any, CallContext], AsyncGenerator[Any, None]]:
        async def call(request: Any, context: CallContext) -> AsyncGenerator[Any, None]:
            loop = asyncio.get_running_loop()
            dropping: list[asyncio.Task[None]] = []

            def drop() -> None:
                _log.warning("dropped a stream that its client does not read", method=method)
                dropping.append(asyncio.ensure_future(_closed(responses)))

            async with aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    timer = loop.call_later(self._seconds_max, drop)
                    try:
                        yield response
                    finally:
                        timer.cancel()
                    del response  # an idle stream would hold its last message
                    if dropping:
                        await dropping[0]
                        raise StreamUnread(self._seconds_max)

        return call


async def _closed(responses: AsyncGenerator[Any, None]) -> None:
    await responses.aclose()
