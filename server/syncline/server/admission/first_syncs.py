"""The line of first syncs: few are read at a time, the others wait for their turn."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, TypeVar

from syncline.data import metrics
from syncline.server.errors import OverLimit
from syncline.server.telemetry.instruments import histogram

T = TypeVar("T")

_WAIT = histogram(metrics.FIRST_SYNC_WAIT)

STALL_SECONDS: Final = 5.0
"""A device that takes nothing for so long gives its place to the next in line."""
_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5.0
"""When to come back after waiting in vain: those before it were slow."""


class FirstSyncs:
    """The places, and who waits for one, in the order they came."""

    def __init__(self, places: int, wait_seconds: float) -> None:
        self._places = places
        self._wait_seconds = wait_seconds
        self._devices: Counter[Hashable] = Counter()
        self._holders: dict[FirstSync, None] = {}
        self._line: deque[tuple[FirstSync, asyncio.Future[None]]] = deque()
        self._looking: asyncio.TimerHandle | None = None

    def join(self, device: Hashable) -> FirstSync:
        """A first sync of the device. It has no place yet."""
        self._devices[device] += 1
        return FirstSync(self, device)

    def is_loading(self, device: Hashable) -> bool:
        """Is a first sync of the device under way? Whatever it calls meanwhile is a part of it."""
        return device in self._devices

    def __len__(self) -> int:
        """How many have a place."""
        return len(self._holders)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._line)

    async def enter(self, sync: FirstSync) -> None:
        """Wait for a place; at once if the sync has one.

        Raises:
            OverLimit: there was none in time.
        """
        if sync in self._holders:
            return
        asked = time.perf_counter()
        try:
            await self._wait_for_place(sync)
        finally:
            _WAIT.record(time.perf_counter() - asked)

    async def _wait_for_place(self, sync: FirstSync) -> None:
        if not self._line and len(self._holders) < self._places:
            self._holders[sync] = None
            return
        turn = asyncio.get_running_loop().create_future()
        entry = (sync, turn)
        self._line.append(entry)
        self._look_later()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except TimeoutError:
            description = f"at most {self._places:,} first syncs at a time"
            raise OverLimit("server:first_syncs", description, _RETRY_SECONDS) from None
        finally:
            if entry in self._line:
                self._line.remove(entry)

    def leave(self, sync: FirstSync, device: Hashable) -> None:
        """It is over: give the place to the next in line."""
        self._devices[device] -= 1
        if not self._devices[device]:
            del self._devices[device]
        self._holders.pop(sync, None)
        self._admit()

    def _admit(self) -> None:
        while self._line and len(self._holders) < self._places:
            sync, turn = self._line.popleft()
            if not turn.done():  # else it was cancelled, and has not noticed yet
                sync.note_progress()
                self._holders[sync] = None
                turn.set_result(None)

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Take the places of those who do not use them. Only if somebody waits."""
        self._looking = None
        if self._line:
            for sync in [holder for holder in self._holders if holder.is_stalled()]:
                del self._holders[sync]
            self._admit()
            self._look_later()


class FirstSync:
    """One stream that reads much. It has a place while it reads and hands out, unless its device sleeps."""

    def __init__(self, line: FirstSyncs, device: Hashable) -> None:
        self._line = line
        self._device = device
        self._clock = asyncio.get_running_loop().time
        self._reading = False
        self._progress_at = self._clock()

    async def read(self, make: Callable[[], Awaitable[T]]) -> T:
        """Wait for a place, then read.

        Raises:
            OverLimit: there was no place in time.
        """
        await self._line.enter(self)
        self._reading = True
        try:
            return await make()
        finally:
            self._reading = False
            self.note_progress()

    def note_progress(self) -> None:
        """The device has taken something."""
        self._progress_at = self._clock()

    def is_stalled(self) -> bool:
        """Does the device keep the place for nothing?"""
        return not self._reading and self._clock() - self._progress_at > STALL_SECONDS

    def leave(self) -> None:
        """It is read to its end, or given up. To be called once."""
        self._line.leave(self, self._device)
