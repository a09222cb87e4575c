"""A collector in a process of its own: takes what is exported to it over OTLP, and drops it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from multiprocessing.connection import Connection

import grpc

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_METHOD = "Export"


class Collector:
    """The collector, as seen from the benchmark."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.endpoint: str = pipe.recv()
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""

    def bytes_received(self) -> int:
        """The size of all that came so far."""
        self._pipe.send(None)
        received: int = self._pipe.recv()
        return received


@contextmanager
def start_collector() -> Iterator[Collector]:
    """Run one; end it at the end of the block."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_collect, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is noticed
    try:
        yield Collector(ours)
    finally:
        process.kill()
        process.join()


def _collect(pipe: Connection) -> None:
    received = 0

    def export(request: bytes, _context: grpc.ServicerContext) -> bytes:
        nonlocal received
        received += len(request)
        return b""  # a response whose fields are all unset

    # One thread, so that nothing is counted while something else is.
    server = grpc.server(futures.ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    pipe.send(f"http://127.0.0.1:{port}")
    while True:
        pipe.recv()
        pipe.send(received)
