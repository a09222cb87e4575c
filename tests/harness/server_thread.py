"""Servers in one thread beside the test, each for as long as it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from threading import Event, Thread
from typing import Any, TypeVar

from syncline.storage import Store
from tests.harness.server import RunningApp, running_app

T = TypeVar("T")


class ServerThread:
    """An event loop in a thread, to run servers in; see `server_thread`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @contextmanager
    def serving(self, store: Store, **settings: object) -> Iterator[RunningApp]:
        """A server over the store, for as long as the block lasts; fields of `Settings` as keywords."""
        stack = AsyncExitStack()
        running = self._run(stack.enter_async_context(running_app(store, **settings)))
        try:
            yield running
        finally:
            self._run(stack.aclose())

    def call_soon(self, work: Callable[[], object]) -> None:
        """Do this in the loop's thread."""
        self._loop.call_soon_threadsafe(work)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def server_thread() -> Iterator[ServerThread]:
    """Start the thread, and end it."""
    started = Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        ending = asyncio.Event()
        loops.append((asyncio.get_running_loop(), ending))
        started.set()
        await ending.wait()

    thread = Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    started.wait()
    loop, ending = loops[0]
    try:
        yield ServerThread(loop)
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
