"""Drops streams that nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import structlog

from syncline.server.errors import StreamUnread
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.wrapping import Handler, behaviour_of, with_behaviour

_log = structlog.get_logger(__name__)


class ReaderInterceptor(OwnMethodsInterceptor):
    """Drops a stream whose next message its client does not take in time: all that the server holds for it goes.

    Such a client is connected and answers pings, so that neither keepalive nor the count of unacknowledged pages finds
    it: the stream waits inside gRPC. Of the call nothing stays but that message, behind which the status must wait, and
    its place among the streams, so this must stand inside the interceptors that count them; a client that reads again
    is told. (The call's task must not be cancelled: gRPC would send no status at all, and a client that comes back
    would wait for ever.)
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max

    def around(self, handler: Handler, method: str) -> Handler:
        """See `OwnMethodsInterceptor`."""
        if not handler.response_streaming:
            return handler
        return with_behaviour(handler, self._watching(method, behaviour_of(handler)))

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
