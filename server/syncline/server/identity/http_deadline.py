"""An end to HTTP answers that take too long, for `urllib.request`.

A timeout of its own begins anew with each byte, and bounds neither headers that drip nor answers that go on for ever.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Deadline:
    """Cuts a connection off, wherever its reader stands. What is cut off ends in an error, or just ends."""

    def __init__(self) -> None:
        self.passed = False
        """Is the time over?"""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Handlers for an opener, whose connections the deadline holds for."""
        return _Http(self), _Https(self)

    def watch(self, opened: socket.socket) -> None:
        """This is the connection from now on; `TimeoutError` if the time is over already."""
        with self._lock:
            if self.passed:
                raise TimeoutError
            self._socket = opened

    def expire(self) -> None:
        """The time is over."""
        with self._lock:
            self.passed = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # it may be closed by now
                    # Not that of SSLSocket, which takes away what another thread reads with.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """A deadline for what is done in the block."""
    made = Deadline()
    timer = threading.Timer(seconds, made.expire)
    timer.daemon = True
    timer.start()
    try:
        yield made
    finally:
        timer.cancel()


class _Watched(urllib.request.AbstractHTTPHandler):
    """Tells its connections to a deadline."""

    def __init__(self, limit: Deadline) -> None:
        super().__init__()
        self._limit = limit

    def do_open(self, http_class: Any, req: urllib.request.Request, **options: Any) -> http.client.HTTPResponse:
        """See urllib.request.AbstractHTTPHandler."""
        limit = self._limit

        class Connection(http_class):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                limit.watch(self.sock)

        return super().do_open(Connection, req, **options)


class _Http(_Watched, urllib.request.HTTPHandler):
    """For plaintext."""


class _Https(_Watched, urllib.request.HTTPSHandler):
    """For TLS."""
