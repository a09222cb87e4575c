"""Doing several things at once in a test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import TypeVar

Answer = TypeVar("Answer")

PATIENCE_S = 60
"""After this a thread that does not come is an error; no test waits for it otherwise."""


def together(*tasks: Callable[[], Answer]) -> list[Answer]:
    """Run the tasks in a thread each, all starting at one moment; answer in their order, or raise the first error."""
    start = Barrier(len(tasks))

    def run(task: Callable[[], Answer]) -> Answer:
        start.wait(PATIENCE_S)
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        answers = [pool.submit(run, task) for task in tasks]
        return [answer.result() for answer in answers]


class Countdown:
    """Counts workers that are still at it, so that watchers know when to look for the last time."""

    def __init__(self, workers: int) -> None:
        self._left = workers
        self._lock = Lock()

    def counted(self, work: Callable[[], None]) -> Callable[[], None]:
        """The work, counted down when it ends, however it ends."""

        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._left -= 1

        return run

    def running(self) -> bool:
        """Is any of them still at it?"""
        with self._lock:
            return self._left > 0
