"""Bounds the calls that the server has open, so that a burst is answered rather than dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncline.server.errors import TooManyCalls
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.wrapping import Handler, is_streaming, wrap_handler


class _Gate:
    """Counts what is open of one kind."""

    def __init__(self, subject: str, limit: int) -> None:
        self._subject = subject
        self._limit = limit
        self._open = 0

    @asynccontextmanager
    async def admit(self, _: CallContext) -> AsyncIterator[None]:
        if self._open >= self._limit:
            raise TooManyCalls(self._subject, self._limit)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


class LoadInterceptor(OwnMethodsInterceptor):
    """Refuses unary calls and streams beyond their limits. Must stand inside the interceptor that answers errors."""

    def __init__(self, *, calls_max: int, streams_max: int) -> None:
        self._calls = _Gate("calls", calls_max)
        self._streams = _Gate("streams", streams_max)

    def around(self, handler: Handler, method: str) -> Handler:  # noqa: ARG002  the same for all
        """See `OwnMethodsInterceptor`."""
        gate = self._streams if is_streaming(handler) else self._calls
        return wrap_handler(handler, gate.admit)
