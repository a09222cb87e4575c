"""An HTTP server that answers as no good one does: without end, byte by byte, or with whatever it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Answer: TypeAlias = "Callable[[], Iterator[bytes]]"
"""Gives the bytes of an answer, piece by piece."""

_PAUSE_SECONDS = 0.01
"""Between the bytes of an answer that drips."""


@dataclass
class HostileServer:
    """What it answers, and what became of it. Change `answer` as you like."""

    answer: Answer
    url: str = ""
    answered: int = 0
    """Answers that were sent to their end."""
    cut_off: int = 0
    """Answers that the reader did not take to their end."""
    taken_bytes_max: int = 0
    """Of such an answer, with what the buffers of the connection hold."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def dripping(self, *pieces: bytes) -> Answer:
        """The pieces again and again, slowly; the first one once and at once."""

        def answer() -> Iterator[bytes]:
            yield pieces[0]
            while not self.stopping.wait(_PAUSE_SECONDS):
                yield from pieces[1:]

        return answer

    def serve(self, opened: socket.socket) -> None:
        """Answer one request."""
        sent = 0
        try:
            with opened.makefile("rb") as asked:
                while asked.readline().strip():
                    pass
            for piece in self.answer():
                opened.sendall(piece)
                sent += len(piece)
                if self.stopping.is_set():
                    return
            self.answered += 1
        except OSError:
            self.taken_bytes_max = max(self.taken_bytes_max, sent)
            self.cut_off += 1


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Answer:
    """An answer as it should be."""
    head = b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", b""])
    return lambda: iter([head + body])


def endless(start: bytes, more: bytes, bytes_max: int) -> Answer:
    """An answer that is as long as it says, and no good to anybody."""

    def answer() -> Iterator[bytes]:
        yield start
        for _ in range(bytes_max // len(more)):
            yield more

    return answer


@contextmanager
def hostile_server(answer: Answer, certificates: Path | None = None) -> Iterator[HostileServer]:
    """Serve on a loopback port for as long as the block lasts; with TLS if there is a folder of certificates."""
    server = HostileServer(answer)
    context = None
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        server.url = f"http{'s' if context else ''}://127.0.0.1:{listener.getsockname()[1]}/keys"

        def run() -> None:
            while not server.stopping.is_set():
                with contextlib.suppress(OSError):
                    opened, _ = listener.accept()
                    opened.settimeout(5)
                    with context.wrap_socket(opened, server_side=True) if context else opened as connection:
                        server.serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            thread.join()
