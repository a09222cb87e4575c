"""A call of grpc.aio whose token is yet to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class OpeningCall:
    """Stands in for a stream until the stream is open, and passes everything on to it then."""

    def __init__(self, begin: Coroutine[Any, Any, Any]) -> None:
        """Begin.

        Args:
            begin: Opens the stream; answers gRPC's call.
        """
        self._beginning = asyncio.ensure_future(begin)
        self.when_open(lambda _: None)  # its failure is then nobody's oversight if nobody reads

    async def read(self) -> Any:
        """The next message, as of grpc.aio. What prevented the call from beginning is raised here."""
        call = await self._beginning
        return await call.read()

    def cancel(self) -> None:
        """End the call, or let it not begin."""
        if not self._beginning.cancel():
            self.when_open(lambda call: call.cancel())

    def cancelled(self) -> bool:
        """Was it ended by a cancel?"""
        if self._beginning.cancelled() or not self._beginning.done() or self._beginning.exception() is not None:
            return self._beginning.cancelled()
        return bool(self._beginning.result().cancelled())

    def when_open(self, act: Callable[[Any], object]) -> None:
        """Do this with the call once there is one."""

        def opened(beginning: asyncio.Future[Any]) -> None:
            if not beginning.cancelled() and beginning.exception() is None:
                act(beginning.result())

        if self._beginning.done():
            opened(self._beginning)
        else:
            self._beginning.add_done_callback(opened)

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call this at the end of the call; also if it never began."""

        def begun(beginning: asyncio.Future[Any]) -> None:
            if beginning.cancelled() or beginning.exception() is not None:
                callback(self)
            else:
                beginning.result().add_done_callback(callback)

        self._beginning.add_done_callback(begun)
