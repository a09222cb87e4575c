"""Collectors of a test, to which a server process exports over OTLP; they may be away, or hang."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from syncline.client import Ack, SyncClient
from tests.harness.server import ServerProcess, start_server


class Collector:
    """Keeps what comes, or hangs."""

    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.came = Event()
        self.asked = Event()
        self.hanging = False
        self.released = Event()

    def take(self, resources: Any) -> None:
        """Something came."""
        self.asked.set()
        if self.hanging:
            self.released.wait()
        self.resources.extend(resources)
        self.came.set()

    def attribute(self, name: str) -> set[str]:
        """The values of an attribute of the resources."""
        return {
            each.value.string_value for told in self.resources for each in told.resource.attributes if each.key == name
        }

    def serve_on(self, server: grpc.Server) -> None:
        """Take part in a server."""
        raise NotImplementedError


class SpanCollector(Collector, trace_service_pb2_grpc.TraceServiceServicer):
    """Of spans."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  the contract's name
        """See the protocol."""
        self.take(request.resource_spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def serve_on(self, server: grpc.Server) -> None:
        """See `Collector`."""
        add_to_server: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # without types
        add_to_server(self, server)

    @property
    def names(self) -> set[str]:
        """The names of all spans."""
        return {span.name for told in self.resources for scope in told.scope_spans for span in scope.spans}


class MetricCollector(Collector, metrics_service_pb2_grpc.MetricsServiceServicer):
    """Of metrics."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  the contract's name
        """See the protocol."""
        self.take(request.resource_metrics)
        return metrics_service_pb2.ExportMetricsServiceResponse()

    def serve_on(self, server: grpc.Server) -> None:
        """See `Collector`."""
        add_to_server: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server  # without types
        add_to_server(self, server)

    def points(self, name: str) -> list[Any]:
        """What last came of a histogram."""
        found = [
            metric.histogram.data_points
            for told in self.resources
            for scope in told.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return list(found[-1]) if found else []


@contextmanager
def listening(collector: Collector, port: int = 0) -> Iterator[int]:
    """The collector is there as long as the block lasts, on a free port unless told."""
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    collector.serve_on(server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        collector.released.set()
        server.stop(0).wait()


@contextmanager
def exporting_to(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, timeout_s: float = 0.5, **variables: str
) -> Iterator[ServerProcess]:
    """A server that exports there; the variables are those of OpenTelemetry that say what, and how often."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(timeout_s))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with start_server(f"sqlite:///{tmp_path / 'server.db'}", drain_linger_seconds=0) as server:
        yield server


def use(server: ServerProcess) -> None:
    """A call, which must be answered whatever becomes of what is told of it."""
    with SyncClient(server.address, uuid4()) as client:
        client.sync(lambda meta, data: Ack.ACK)
