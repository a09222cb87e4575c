"""Whether the server is stopping."""

from __future__ import annotations

import asyncio

from syncline.server.errors import Draining


class Drain:
    """Set once, when the server begins to stop."""

    def __init__(self) -> None:
        self._started = asyncio.Event()

    def start(self) -> None:
        """From now on `check` refuses. From the event loop only."""
        self._started.set()

    def check(self) -> None:
        """Raise `Draining` if the server is stopping."""
        if self._started.is_set():
            raise Draining

    async def wait(self) -> None:
        """Return when the server begins to stop."""
        await self._started.wait()
