"""Reading ahead: what comes next is read in a thread of its own while the one before is dealt with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from contextvars import copy_context
from queue import SimpleQueue
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class _End(NamedTuple):
    """Nothing comes any more."""

    error: BaseException | None
    """What ended it, if it did not end by itself."""


class ReadAhead(Generic[T]):
    """What a generator gives, which is made, asked and closed in the one thread that this starts.

    It is one item ahead. Close it: that waits until the thread has ended.
    """

    def __init__(self, make: Callable[[Callable[[], bool]], Generator[T]]) -> None:
        """Begin to read.

        Args:
            make: Makes the generator. It is given a function that says whether nobody waits for more, for one
                that may wait for long.
        """
        self._make = make
        self._closed = threading.Event()
        self._ready: SimpleQueue[T | _End] = SimpleQueue()
        self._taken = threading.Semaphore(0)
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="reading ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """Give out the items; what the generator raises is raised behind the items before it."""
        while not isinstance(item := self._ready.get(), _End):
            self._taken.release()
            yield item
        if item.error is not None:
            raise item.error

    def close(self) -> None:
        """Read no more."""
        self._closed.set()
        self._taken.release()
        self._thread.join()

    def _run(self) -> None:
        error = None
        try:
            self._read()
        except BaseException as raised:  # noqa: BLE001  it is raised where the items are taken
            error = raised
        self._ready.put(_End(error))

    def _read(self) -> None:
        with closing(self._make(self._closed.is_set)) as items:
            for item in items:
                self._ready.put(item)
                self._taken.acquire()
                if self._closed.is_set():
                    return
