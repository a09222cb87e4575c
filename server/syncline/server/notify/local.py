"""Hints within one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from syncline.server.notify.contract import Listener

_ANYWHERE = 2**63 - 1
"""Where a head may be that nobody told of: a stream that is woken for it reads anew."""


class LocalNotifier:
    """The notifier of a single process. It delivers on the event loop that it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, dict[UUID, set[Listener]]] = {}
        self._of_requests: dict[str | None, set[Listener]] = {}
        """By account; None: those who wait for new requests of any."""

    def head_moved(self, account_id: str, revision: int) -> None:
        """See `Notifier`."""
        self._loop.call_soon_threadsafe(self._tell_head, account_id, revision)

    def head_seen(self, account_id: str, revision: int) -> None:
        """See `Notifier`."""
        self.head_moved(account_id, revision)

    def acknowledged(self, account_id: str, device_uuid: UUID) -> None:
        """See `Notifier`."""
        self._loop.call_soon_threadsafe(self._wake, account_id, device_uuid)

    def stream_opened(self, account_id: str, device_uuid: UUID, stream_id: int) -> None:
        """See `Notifier`."""
        self._loop.call_soon_threadsafe(self._challenge, account_id, device_uuid, stream_id)

    def request_made(self, account_id: str) -> None:
        """See `Notifier`."""
        self._loop.call_soon_threadsafe(self._wake_requests, account_id)
        self._loop.call_soon_threadsafe(self._wake_requests, None)

    def requests_changed(self, account_id: str) -> None:
        """See `Notifier`."""
        self._loop.call_soon_threadsafe(self._wake_requests, account_id)

    @contextmanager
    def listen(self, account_id: str, device_uuid: UUID, stream_id: int) -> Iterator[Listener]:
        """See `Notifier`. From the notifier's own event loop only."""
        listener = Listener(stream_id)
        devices = self._listeners.setdefault(account_id, {})
        devices.setdefault(device_uuid, set()).add(listener)
        try:
            yield listener
        finally:
            devices[device_uuid].remove(listener)
            if not devices[device_uuid]:
                del devices[device_uuid]
            if not devices:
                self._listeners.pop(account_id, None)

    @contextmanager
    def listen_requests(self, account_id: str | None) -> Iterator[Listener]:
        """See `Notifier`. From the notifier's own event loop only."""
        listener = Listener(0)
        self._of_requests.setdefault(account_id, set()).add(listener)
        try:
            yield listener
        finally:
            self._of_requests[account_id].remove(listener)
            if not self._of_requests[account_id]:
                del self._of_requests[account_id]

    def start(self) -> None:
        """See `Notifier`. There is no other process."""

    async def stop(self) -> None:
        """See `Notifier`."""

    def accounts(self) -> list[str]:
        """See `Notifier`."""
        return list(self._listeners)

    def wake_all(self) -> None:
        """See `Notifier`."""
        for account_id in self._listeners:
            for listener in self._of_account(account_id):
                listener.head_revision = _ANYWHERE
                listener.wake()
        for listeners in self._of_requests.values():
            for listener in listeners:
                listener.wake()

    def _of_account(self, account_id: str) -> Iterable[Listener]:
        return (listener for device in self._listeners.get(account_id, {}).values() for listener in device)

    def _of_device(self, account_id: str, device_uuid: UUID) -> Iterable[Listener]:
        return self._listeners.get(account_id, {}).get(device_uuid, ())

    def _tell_head(self, account_id: str, revision: int) -> None:
        now = self._loop.time()
        for listener in self._of_account(account_id):
            if revision > listener.head_revision:
                listener.head_revision = revision
                if listener.told_at is None:
                    listener.told_at = now
                listener.wake()

    def _wake(self, account_id: str, device_uuid: UUID) -> None:
        for listener in self._of_device(account_id, device_uuid):
            listener.wake()

    def _wake_requests(self, account_id: str | None) -> None:
        for listener in self._of_requests.get(account_id, ()):
            listener.wake()

    def _challenge(self, account_id: str, device_uuid: UUID, stream_id: int) -> None:
        for listener in self._of_device(account_id, device_uuid):
            if listener.stream_id != stream_id:
                listener.challenged = True
                listener.wake()
