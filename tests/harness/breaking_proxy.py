"""A TCP proxy between a client and a server that breaks the connection at a chosen message.

It reads the frames of HTTP/2 as they pass, so that it can count messages: gRPC sends a small one as one DATA frame.
What is broken is real: the client finds its connection cut, the server finds that its client is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from threading import Event, Thread

_PREFACE = 24
"""Bytes with which a client begins a connection."""
_HEADER = 9
"""Bytes before each frame."""
_DATA = 0
"""The type of a frame that carries a message."""


class Loss(Enum):
    """Which message is lost with the connection."""

    REQUEST = "request"
    """The server never gets it."""
    ANSWER = "answer"
    """The server has done what was asked, but the client never hears of it."""


@dataclass
class Break:
    """When to break the connection."""

    loss: Loss
    messages: int
    """How many messages of this direction still pass."""
    stays: bool
    """Nobody can connect from then on, until `mend`."""


class BreakingProxy:
    """Passes everything on until told to break; see `breaking_proxy`."""

    def __init__(self) -> None:
        self.port = 0
        self._target: tuple[str, int] | None = None
        self._break: Break | None = None
        self._down = False
        self._silent = False
        self._transports: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    def lead_to(self, target: str) -> None:
        """Connect clients with this server from now on."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))

    def break_at(self, loss: Loss, messages: int, *, stays: bool = False) -> None:
        """Lose the message after so many more of this direction, and cut the connections with it.

        With `stays` nobody can connect again before `mend`.
        """
        self._break = Break(loss, messages, stays)

    def fall_silent(self) -> None:
        """Pass nothing on any more and keep the connections, as a network does that is gone."""
        self._silent = True

    def mend(self) -> bool:
        """Let everything pass again. Did the break happen?"""
        happened = self._break is None or self._down
        self._break, self._down = None, False
        return happened

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, to its end."""
        if self._down or self._target is None:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, server_writer}
        self._transports |= pair
        try:
            await asyncio.gather(
                self._pass_on(reader, server_writer, Loss.REQUEST, _PREFACE),
                self._pass_on(server_reader, writer, Loss.ANSWER, 0),
            )
        finally:
            self._transports -= pair
            for each in pair:
                each.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Loss, preface: int
    ) -> None:
        """Pass on frame by frame until one side is gone or a message is to be lost."""
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(await reader.readexactly(preface))
            while True:
                header = await reader.readexactly(_HEADER)
                length = int.from_bytes(header[:3])
                body = await reader.readexactly(length)
                if self._silent:
                    continue
                if header[3] == _DATA and length and self._loses(direction):
                    self._cut()
                    return
                writer.write(header + body)
                await writer.drain()
        with suppress(OSError):
            writer.close()

    def _loses(self, direction: Loss) -> bool:
        """Is this message the one to be lost?"""
        wanted = self._break
        if wanted is None or wanted.loss is not direction:
            return False
        wanted.messages -= 1
        if wanted.messages >= 0:
            return False
        self._break, self._down = None, wanted.stays
        return True

    def _cut(self) -> None:
        for each in self._transports:
            each.transport.abort()


@contextmanager
def breaking_proxy() -> Iterator[BreakingProxy]:
    """A proxy on a free loopback port, in a thread of its own."""
    proxy = BreakingProxy()
    started = Event()
    ended: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ending = asyncio.Event()
        ended.append((asyncio.get_running_loop(), ending))
        started.set()
        await ending.wait()
        # A server that is closed while it accepts leaves that connection open: it accepts no more first.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # one that was just accepted begins others
            proxy._cut()
            await asyncio.gather(*others, return_exceptions=True)
        server.close()
        await asyncio.sleep(0)  # what was cut off is closed in the loop's next round

    thread = Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        loop, ending = ended[0]
        loop.call_soon_threadsafe(ending.set)
        thread.join()
