"""A gRPC server that does nothing but stream what it is given: the limit for live streams."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import grpc

SERVICE = "bench.Bare"
METHOD = "Listen"


class BareServer:
    """Sends every message to every open stream, and the first one at once when a stream opens."""

    def __init__(self, first_message: bytes) -> None:
        self._first_message = first_message
        self._streams: set[asyncio.Queue[bytes]] = set()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(self._listen)
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})])

    async def start(self) -> str:
        """Serve on a free loopback port; its address."""
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def stop(self) -> None:
        """End all streams."""
        await self._server.stop(grace=None)

    def publish(self, message: bytes) -> None:
        """Send a message to every stream."""
        for stream in self._streams:
            stream.put_nowait(message)

    async def _listen(self, _request: bytes, _context: object) -> AsyncIterator[bytes]:
        stream: asyncio.Queue[bytes] = asyncio.Queue()
        self._streams.add(stream)
        try:
            yield self._first_message
            while True:
                yield await stream.get()
        finally:
            self._streams.remove(stream)


@dataclass(frozen=True, slots=True)
class BareServerProcess:
    """One in a process of its own."""

    address: str
    pid: int


@contextmanager
def start_bare_server(first_message: bytes) -> Iterator[BareServerProcess]:
    """Run one in a process of its own; end it at the end of the block."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve_alone, args=(theirs, first_message), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is noticed
    try:
        yield BareServerProcess(ours.recv(), process.pid or 0)
    finally:
        process.kill()
        process.join()


def _serve_alone(pipe: Connection, first_message: bytes) -> None:
    async def serve() -> None:
        server = BareServer(first_message)
        pipe.send(await server.start())
        await asyncio.Event().wait()

    asyncio.run(serve())
