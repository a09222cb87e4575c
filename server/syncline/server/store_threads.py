"""Calling the synchronous store from the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, ParamSpec, TypeVar

from syncline.data import metrics
from syncline.server.telemetry.instruments import histogram

P = ParamSpec("P")
T = TypeVar("T")

_PARTS: Final = 4
"""More at a time do not read more: they are in each other's way, and in that of small calls which have a thread."""
_WAIT = histogram(metrics.ADMISSION_WAIT)
_SMALL: Final = {metrics.KIND: "small"}
_FIRST_SYNC: Final = {metrics.KIND: "first_sync"}


class StoreThreads:
    """A bounded number of threads. Calls beyond it wait in line; those of first syncs take a quarter of the threads.

    So a small call never waits for a first sync, as long as there is more than one thread.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._for_first_syncs = asyncio.Semaphore(max(1, threads // _PARTS))

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin the call, in the caller's context: its span is current there.

        Cancelling the future drops the result; a call that has begun runs to its end.
        """
        return asyncio.wrap_future(self._submit(_SMALL, time.perf_counter(), partial(call, *args, **kwargs)))

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call and answer its result."""
        return await self.start(call, *args, **kwargs)

    async def run_for_first_sync(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call that reads much, in the threads that may be used for such."""
        asked = time.perf_counter()
        await self._for_first_syncs.acquire()
        work = self._submit(_FIRST_SYNC, asked, partial(call, *args, **kwargs))
        # Not when it is awaited no more: the thread is taken until the call has come to its end.
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._for_first_syncs.release))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Wait for calls that have begun, drop the others."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, kind: dict[str, str], asked: float, call: Callable[[], T]) -> Future[T]:
        return self._executor.submit(copy_context().run, _timed, kind, asked, call)


def _timed(kind: dict[str, str], asked: float, call: Callable[[], T]) -> T:
    """Make the call, and note how long it has waited for its thread."""
    _WAIT.record(time.perf_counter() - asked, kind)
    return call()
