"""Ends unary calls that take too long, whatever their clients allow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncline.server.errors import DeadlineReached
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.wrapping import Handler, is_streaming, wrap_handler


class DeadlineInterceptor(OwnMethodsInterceptor):
    """Bounds the time of calls that have one request and one answer. Must stand inside the one that answers errors.

    gRPC itself ends a call at its client's deadline, but a client need not set any.
    """

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max

    def around(self, handler: Handler, method: str) -> Handler:  # noqa: ARG002  the same for all
        """See `OwnMethodsInterceptor`."""
        return handler if is_streaming(handler) else wrap_handler(handler, self._bound)

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
