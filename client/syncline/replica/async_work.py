"""Runs the blocking work of a device file in threads, for the tasks of one event loop.

A task that is cancelled while a thread works for it gets its `CancelledError` when that work is over, so nothing goes
on behind the back of the program. What was done stays done; a synchronisation is stopped first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import ref

from syncline.client import AlreadySyncing
from syncline.replica.errors import ReplicaError

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 4
_STOP_AGAIN_S = 0.05


class _Level:
    """Where a task stands: outside of all transactions, in one, or in one inside that."""

    def __init__(self, context: Context | None = None) -> None:
        self.turn = asyncio.Lock()
        """Held by the task that works on this level, be it by opening the next one."""
        self.context = context
        """In which the thread works for a transaction, from its beginning to its end; None: each call brings one."""


_levels: ContextVar[tuple[_Level, ...]] = ContextVar("syncline_levels", default=())
"""The transactions that this task is in. Tasks that it starts inherit them: `asyncio.wait_for` starts one, too."""


class LocalThreads:
    """One thread for local writes, since a transaction belongs to the thread that began it, and some for reads.

    While a task is in a transaction, it and the tasks that it started meanwhile have the writing thread; the writes of
    others wait. Reads outside of a transaction wait for nobody.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "syncline-local")
        self._readers = ThreadPoolExecutor(_READERS, "syncline-read")
        self._outside = _Level()
        self._inside: list[_Level] = []
        """Transactions that are open, from the outermost."""
        self._closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work in the thread, as soon as it is this task's turn.

        Raises:
            ReplicaError: it is closed; or what the work raises.
        """
        level = self._level()
        async with level.turn:
            return await finished(self._submit(partial(work, *args, **kwargs), level.context))

    async def read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do work that only reads: inside a transaction what it sees, else what is committed.

        Raises:
            ReplicaError: it is closed; or what the work raises.
        """
        if self._level() is not self._outside:
            return await self.run(work, *args, **kwargs)
        self._check_open()
        return await finished(asyncio.wrap_future(self._readers.submit(partial(work, *args, **kwargs))))

    @asynccontextmanager
    async def transaction(self, make: Callable[[], AbstractContextManager[object]]) -> AsyncIterator[None]:
        """Hold the thread for this task and those that it starts in the block, inside a context manager there."""
        outer = self._level()
        context = outer.context or copy_context()
        async with outer.turn, self._entered(make(), context):
            level = _Level(context)
            outside = _levels.get()
            self._inside.append(level)
            _levels.set((*outside, level))
            try:
                yield
            finally:
                self._inside.remove(level)
                _levels.set(outside)

    async def close(self, work: Callable[[], None]) -> None:
        """Do the last work, when no transaction is open, and end the threads."""
        async with self._outside.turn:
            if self._closed:
                return
            try:
                await finished(self._submit(work))
            finally:
                self._closed = True
                self._thread.shutdown(wait=False)
                self._readers.shutdown(wait=False)

    def check_outside(self) -> None:
        """Refuse what would wait for the end of this task's own transaction.

        Raises:
            ReplicaError: it is in one.
        """
        if self._level() is not self._outside:
            raise ReplicaError("a local transaction is open in this task: end it first")

    def _level(self) -> _Level:
        """The innermost open transaction that this task is in."""
        mine = (level for level in reversed(_levels.get()) if level in self._inside)
        return next(mine, self._outside)

    @asynccontextmanager
    async def _entered(self, manager: AbstractContextManager[object], context: Context) -> AsyncIterator[None]:
        """The block, inside a context manager of the thread."""
        entering = self._submit(manager.__enter__, context)
        try:
            await finished(entering)
        except asyncio.CancelledError as error:
            if entering.exception() is None:
                await finished(self._submit(partial(manager.__exit__, type(error), error, None), context))
            raise
        try:
            yield
        except BaseException as error:
            leaving = partial(manager.__exit__, type(error), error, error.__traceback__)
            await finished(self._submit(leaving, context))
            raise
        await finished(self._submit(partial(manager.__exit__, None, None, None), context))

    def _submit(self, work: Callable[[], T], context: Context | None = None) -> asyncio.Future[T]:
        """Have the thread do the work, in the task's context unless told otherwise: spans find their parents there."""
        self._check_open()
        return asyncio.wrap_future(self._thread.submit((context or copy_context()).run, work))

    def _check_open(self) -> None:
        if self._closed:
            raise ReplicaError("this Replica is closed")


class _Turn:
    """Of one who has the thread that talks to the server."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.iteration: ref[AsyncGenerator[object]] | None = None
        """What an app iterates over, if that is what the thread works for."""

    @property
    def is_left(self) -> bool:
        """Does nobody hold the iteration any more, as after a `break`? Then the event loop is about to close it."""
        return self.iteration is not None and self.iteration() is None


class SyncThread:
    """One thread for what talks to the server. Local work goes on beside it."""

    def __init__(self, stop: Callable[[], None]) -> None:
        """`stop` makes the work in hand end soon."""
        self._thread = ThreadPoolExecutor(1, "syncline-sync")
        self._stop = stop
        self._generator: Generator[object] | None = None
        """Runs in the thread, or waits there to be asked for more."""
        self._turn: _Turn | None = None
        """Of whoever is at work."""
        self._closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the work in the thread; cancelling the task stops it.

        Raises:
            AlreadySyncing: the thread is at work.
        """
        async with self._at_work(_Turn()):
            return await self._do(partial(work, *args, **kwargs), copy_context())

    def iterate(self, make: Callable[[], Generator[T]]) -> AsyncGenerator[T]:
        """What a generator yields that runs in the thread; leaving the iteration closes it.

        Raises:
            AlreadySyncing: by the iteration: the thread is at work.
        """
        turn = _Turn()
        iteration = self._iterate(make, turn)
        turn.iteration = ref(iteration)
        return iteration

    async def _iterate(self, make: Callable[[], Generator[T]], turn: _Turn) -> AsyncGenerator[T]:
        async with self._at_work(turn):
            generator = self._generator = make()
            context = copy_context()
            try:
                ask = partial(next, generator, None)
                while not self._closed and (each := await self._do(ask, context)) is not None:
                    yield each
            finally:
                self._generator = None
                if not self._closed:
                    await self._do(generator.close, context)

    async def close(self) -> None:
        """Stop the work in hand, wait for its end, and end the thread. A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        # A generator can be closed in its own thread only, since it may be running there.
        ending = asyncio.wrap_future(self._thread.submit(self._close_generator, self._generator))
        try:
            while not ending.done():
                self._stop()
                await asyncio.wait((ending,), timeout=_STOP_AGAIN_S)
            await ending
        finally:
            self._thread.shutdown(wait=False)

    @asynccontextmanager
    async def _at_work(self, turn: _Turn) -> AsyncIterator[None]:
        while self._turn is not None and not self._closed:
            if not self._turn.is_left:
                raise AlreadySyncing("this Replica is synchronising already")
            await self._turn.ended.wait()
        if self._closed:
            raise ReplicaError("this Replica is closed")
        self._turn = turn
        try:
            yield
        finally:
            self._turn = None
            turn.ended.set()

    @staticmethod
    def _close_generator(generator: Generator[object] | None) -> None:
        if generator is not None:
            generator.close()

    async def _do(self, work: Callable[[], T], context: Context) -> T:
        return await finished(asyncio.wrap_future(self._thread.submit(context.run, work)), self._stop)


async def finished(work: asyncio.Future[T], stop: Callable[[], None] | None = None) -> T:
    """Wait for the end of a thread's work, also if the task is cancelled meanwhile: then `stop` is called first."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            if stop is not None:
                stop()  # again and again: the work may not have begun to listen
            with suppress(asyncio.CancelledError):
                await asyncio.wait((work,), timeout=None if stop is None else _STOP_AGAIN_S)
        work.exception()  # looked at, so that nobody reports it as overlooked
        raise
