"""Hints between all processes on one Postgres database: NOTIFY and LISTEN on one channel."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, aclosing
from typing import Final, LiteralString
from uuid import UUID

import psycopg
import structlog

from syncline.data import metrics
from syncline.server.notify.connecting import CHANNEL, OPTIONS, RECONNECTS, connection_string, pauses, told
from syncline.server.notify.contract import Listener
from syncline.server.notify.local import LocalNotifier
from syncline.server.notify.messages import HintKind, Outbox, deliver
from syncline.server.notify.sending import HintSender

_log = structlog.get_logger(__name__)

_LISTEN: LiteralString = f"LISTEN {CHANNEL}"
_LISTENING: Final = {metrics.DIRECTION: "receive"}


class PostgresNotifier:
    """Hints go to the listeners of this process at once, and to those of others through the database.

    Make it inside a running event loop. What is lost with a connection is found by looking around: each time that the
    database is listened to anew, all listeners are woken.
    """

    def __init__(self, database_url: str) -> None:
        self._local = LocalNotifier()
        self._outbox = Outbox()
        self._sender = HintSender(database_url, self._outbox)
        self._url = connection_string(database_url)
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """See `Notifier`."""
        self._sender.start()
        self._listening = asyncio.create_task(self._listen(), name="listen to hints")

    async def stop(self) -> None:
        """See `Notifier`."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await asyncio.to_thread(self._sender.stop)

    def head_moved(self, account_id: str, revision: int) -> None:
        """See `Notifier`."""
        self._local.head_moved(account_id, revision)
        self._publish(HintKind.HEAD_MOVED, account_id, number=revision)

    def head_seen(self, account_id: str, revision: int) -> None:
        """See `Notifier`."""
        self._local.head_seen(account_id, revision)

    def acknowledged(self, account_id: str, device_uuid: UUID) -> None:
        """See `Notifier`."""
        self._local.acknowledged(account_id, device_uuid)
        self._publish(HintKind.ACKNOWLEDGED, account_id, device_uuid.hex)

    def stream_opened(self, account_id: str, device_uuid: UUID, stream_id: int) -> None:
        """See `Notifier`."""
        self._local.stream_opened(account_id, device_uuid, stream_id)
        self._publish(HintKind.STREAM_OPENED, account_id, device_uuid.hex, stream_id)

    def request_made(self, account_id: str) -> None:
        """See `Notifier`."""
        self._local.request_made(account_id)
        self._publish(HintKind.REQUEST_MADE, account_id)

    def requests_changed(self, account_id: str) -> None:
        """See `Notifier`."""
        self._local.requests_changed(account_id)
        self._publish(HintKind.REQUESTS_CHANGED, account_id)

    def listen(self, account_id: str, device_uuid: UUID, stream_id: int) -> AbstractContextManager[Listener]:
        """See `Notifier`."""
        return self._local.listen(account_id, device_uuid, stream_id)

    def listen_requests(self, account_id: str | None) -> AbstractContextManager[Listener]:
        """See `Notifier`."""
        return self._local.listen_requests(account_id)

    def accounts(self) -> list[str]:
        """See `Notifier`."""
        return self._local.accounts()

    def wake_all(self) -> None:
        """See `Notifier`."""
        self._local.wake_all()

    def _publish(self, kind: HintKind, account_id: str, device: str = "", number: int = 0) -> None:
        self._outbox.put(kind, account_id, device, number)
        self._sender.wake()

    async def _listen(self) -> None:
        """Hand on what comes from other processes, over one connection after another."""
        waits = pauses()
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, **OPTIONS) as connection:
                    await connection.execute(_LISTEN)
                    waits = pauses()
                    self._local.wake_all()  # what was hinted before is not told again
                    async with aclosing(connection.notifies()) as notes:
                        async for note in notes:
                            deliver(note.payload, self._local, origin=self._outbox.origin)
            except psycopg.Error as error:
                RECONNECTS.add(1, _LISTENING)
                _log.warning("hints of other processes do not come", error=told(error))
            await asyncio.sleep(next(waits))
