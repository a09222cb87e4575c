"""What wakes a live stream, and how it waits."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID


class Listener:
    """What one live stream was told, and its way to wait for more. It belongs to one event loop.

    Hints are kept as states, not as a queue: any number of them between two waits wakes the stream once.
    """

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.head_revision = 0
        """The account's head is at least at this revision."""
        self.told_at: float | None = None
        """By the loop's clock, when the first word came of a head that the stream may not have read yet; None: none."""
        self.challenged = False
        """Another stream of the device was opened; the store knows which one is the newest."""
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Let `wait` return. From the listener's own event loop only."""
        self._woken.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return when there was a hint since the last wait, or after the time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()


class Notifier(Protocol):
    """Carries hints from those who change something to the live streams that want to know.

    Between `start` and `stop` it may carry them to other processes, too. The publishing methods may be called from any
    thread, after the commit. They never wait and never fail.
    """

    def head_moved(self, account_id: str, revision: int) -> None:
        """Records of the account were written; its head is at `revision` or beyond."""

    def head_seen(self, account_id: str, revision: int) -> None:
        """The head was found at `revision`. For this process only: others look by themselves."""

    def acknowledged(self, account_id: str, device_uuid: UUID) -> None:
        """The device acknowledged something."""

    def stream_opened(self, account_id: str, device_uuid: UUID, stream_id: int) -> None:
        """This stream is the device's newest from now on."""

    def request_made(self, account_id: str) -> None:
        """A sync request of the account was made."""

    def requests_changed(self, account_id: str) -> None:
        """Sync requests of the account have changed."""

    def listen(self, account_id: str, device_uuid: UUID, stream_id: int) -> AbstractContextManager[Listener]:
        """Receive hints for one live stream for as long as the context is open."""

    def listen_requests(self, account_id: str | None) -> AbstractContextManager[Listener]:
        """Receive hints about the account's sync requests; None: about new ones, of all accounts."""

    def accounts(self) -> list[str]:
        """The accounts that have live streams in this process."""

    def wake_all(self) -> None:
        """Make everybody who listens in this process look around, whatever they were told before."""

    def start(self) -> None:
        """Begin to talk to other processes, if there is a way to."""

    async def stop(self) -> None:
        """End that. Hints within this process go on."""
