"""Metrics that server processes send to a collector, which may be away or hang."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

from syncline.client import Ack, SyncClient
from syncline.data.metrics import CALL_DURATION, SECONDS
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.metrics_setup import metering
from tests.harness.server import ServerProcess, start_server


class _Collector(metrics_service_pb2_grpc.MetricsServiceServicer):
    """Keeps what comes, or hangs."""

    def __init__(self) -> None:
        self.resources: list[Any] = []
        self.came = Event()
        self.asked = Event()
        self.hanging = False
        self.released = Event()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  the contract's name
        """See the protocol."""
        self.asked.set()
        if self.hanging:
            self.released.wait()
        self.resources.extend(request.resource_metrics)
        self.came.set()
        return metrics_service_pb2.ExportMetricsServiceResponse()

    @property
    def services(self) -> set[str]:
        """The names of who sent it."""
        attributes = [each for told in self.resources for each in told.resource.attributes]
        return {each.value.string_value for each in attributes if each.key == "service.name"}

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
def _listening(collector: _Collector, port: int = 0) -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    add_to_server: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server  # without types
    add_to_server(collector, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        collector.released.set()
        server.stop(0).wait()


@contextmanager
def _exporting_to(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, timeout_s: float = 0.5
) -> Iterator[ServerProcess]:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(timeout_s))
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    with start_server(f"sqlite:///{tmp_path / 'server.db'}", drain_linger_seconds=0) as server:
        yield server


def _use(server: ServerProcess) -> None:
    """A call, which must be answered whatever becomes of the metrics."""
    with SyncClient(server.address, uuid4()) as client:
        client.sync(lambda meta, data: Ack.ACK)


def _starts(collector: _Collector) -> int:
    """How many sessions the collector was told of."""
    return sum(
        point.count
        for point in collector.points(CALL_DURATION.name)
        if "syncline.v1.SyncService/StartSession" in [each.value.string_value for each in point.attributes]
    )


def _until(holds: Callable[[], object]) -> None:
    """Wait for what another process does; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.01)


def test_metrics_reach_a_collector_the_last_ones_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = _Collector()
    with _listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch) as server:
        assert collector.came.wait(60)
        _use(server)
        assert server.terminate() == 0

    assert _starts(collector) == 1
    assert collector.services == {"syncline-server"}
    assert tuple(collector.points(CALL_DURATION.name)[0].explicit_bounds) == SECONDS


def test_a_collector_that_is_away_loses_nothing_and_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = _Collector()
    with _listening(_Collector()) as port:
        pass
    with _exporting_to(port, tmp_path, monkeypatch) as server:
        _use(server)
        _until(lambda: "metrics cannot be exported" in server.log)
        _use(server)
        with _listening(collector, port):
            _until(lambda: "metrics are exported" in server.log)
            _until(lambda: _starts(collector) == 2)
        assert server.terminate() == 0
        log = server.log

    # What it says of the end depends on whether the collector was still there.
    before, _, _ = log.partition("metrics are exported")
    assert before.count("metrics cannot be exported") == 1
    assert "StatusCode" not in log, "the SDK's own lines"


def test_a_collector_that_hangs_holds_up_neither_calls_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = _Collector()
    collector.hanging = True
    with _listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch, timeout_s=600) as server:
        assert collector.asked.wait(60)
        _use(server)

        assert server.terminate() == 0


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"}, "only grpc"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP"),
        ({"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "0"}, "OTEL_METRIC_EXPORT_INTERVAL"),
        ({"OTEL_METRICS_EXPORTER": "console", "OTEL_METRIC_EXPORT_INTERVAL": "soon"}, "OTEL_METRIC_EXPORT_INTERVAL"),
    ],
    ids=["exporter", "protocol", "timeout", "interval", "interval that is none"],
)
def test_a_wrong_set_up_is_refused(variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid, match=named), metering(load_settings(), "test"):
        pass
