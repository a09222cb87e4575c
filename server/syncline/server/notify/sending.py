"""The thread that tells other processes what this one has to hint."""

from __future__ import annotations

import threading
from typing import Any, Final

import psycopg
import structlog

from syncline.data import metrics
from syncline.server.notify.connecting import CHANNEL, OPTIONS, RECONNECTS, connection_string, pauses, told
from syncline.server.notify.messages import Outbox
from syncline.server.telemetry.instruments import counter

_log = structlog.get_logger(__name__)
_SENT = counter(metrics.NOTIFICATIONS_SENT)
_SENDING: Final = {metrics.DIRECTION: "send"}

_PAUSE_SECONDS: Final = 0.05
"""Between two sends. Hints of the meantime become one; the first one after a silence goes at once."""
_END_SECONDS_MAX: Final = 2.0
_SEND: Final = "SELECT pg_notify(%s, message) FROM unnest(%s::text[]) AS message"


class HintSender:
    """Sends what the outbox holds, over one connection of its own. Callers are never kept waiting."""

    def __init__(self, database_url: str, outbox: Outbox) -> None:
        self._url = connection_string(database_url)
        self._outbox = outbox
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._connection: psycopg.Connection[Any] | None = None
        # A database that does not answer must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="send hints", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """Something was put into the outbox. From any thread."""
        self._news.set()

    def stop(self) -> None:
        """Send what is left, if that can be done soon. It waits, so not from an event loop."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS_MAX)

    def _run(self) -> None:
        try:
            while True:
                self._news.wait()
                self._news.clear()
                last = self._stopping.is_set()
                self._send(self._outbox.take())
                if last:
                    return
                self._stopping.wait(_PAUSE_SECONDS)
                if not self._outbox.is_empty():
                    self._news.set()
        finally:
            self._close()

    def _send(self, messages: list[str]) -> None:
        """Try until it is done, or the process stops. What is hinted meanwhile becomes one in the outbox."""
        if not messages:
            return
        for pause in pauses():
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.execute(_SEND, [CHANNEL, messages])
            except psycopg.Error as error:
                RECONNECTS.add(1, _SENDING)
                _log.warning("other processes cannot be hinted", error=told(error))
                self._close()
                if self._stopping.wait(pause):
                    return
            else:
                _SENT.add(len(messages))
                return

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._url, autocommit=True, prepare_threshold=None, **OPTIONS)
        # Each send is a transaction with nothing to keep: it need not wait for the disk.
        connection.execute("SET synchronous_commit = off")
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
