"""Calling the synchronous store from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class StoreThreads:
    """A bounded number of threads. Calls beyond it wait in line."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin the call, in the caller's context: its span is current there.

        Cancelling the future drops the result; a call that has begun runs to its end.
        """
        work = partial(copy_context().run, call, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make the call and answer its result."""
        return await self.start(call, *args, **kwargs)

    def close(self) -> None:
        """Wait for calls that have begun, drop the others."""
        self._executor.shutdown(wait=True, cancel_futures=True)
