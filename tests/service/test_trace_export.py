"""Where the spans of server processes go: a collector, that may be away or hang, and a file."""

from __future__ import annotations

import os
import subprocess
import sys
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
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from syncline.client import Ack, SyncClient
from syncline.data.span_lines import SpanLine, decode_span_line
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.setup import tracing
from tests.harness.server import ServerProcess, start_server


class _Collector(trace_service_pb2_grpc.TraceServiceServicer):
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
        self.resources.extend(request.resource_spans)
        self.came.set()
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def names(self) -> set[str]:
        """The names of all spans."""
        return {span.name for told in self.resources for scope in told.scope_spans for span in scope.spans}

    def attribute(self, name: str) -> set[str]:
        """The values of an attribute of the resources."""
        return {
            each.value.string_value for told in self.resources for each in told.resource.attributes if each.key == name
        }


@contextmanager
def _listening(collector: _Collector, port: int = 0) -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    add_to_server: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # without types
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
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(timeout_s))
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with start_server(f"sqlite:///{tmp_path / 'server.db'}", drain_linger_seconds=0) as server:
        yield server


def _use(server: ServerProcess) -> None:
    """A call, which must be answered whatever becomes of its spans."""
    with SyncClient(server.address, uuid4()) as client:
        client.sync(lambda meta, data: Ack.ACK)


def _until(holds: Callable[[], object]) -> None:
    """Wait for what another process does; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.01)


def test_spans_reach_a_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    collector = _Collector()
    with _listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch) as server:
        _use(server)
        assert server.terminate() == 0

    assert "syncline.v1.SyncService/StartSession" in collector.names
    assert collector.attribute("service.name") == {"syncline-server"}
    assert collector.attribute("deployment.environment") == {"test"}
    assert len(collector.attribute("service.instance.id")) == 1


def test_a_collector_that_is_away_is_told_of_once_and_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = _Collector()
    with _listening(_Collector()) as port:
        pass
    with _exporting_to(port, tmp_path, monkeypatch) as server:
        for _ in range(3):
            _use(server)
        _until(lambda: "spans cannot be exported" in server.log)
        _use(server)
        with _listening(collector, port):

            def has_come() -> bool:
                _use(server)
                return collector.came.is_set()

            _until(has_come)
            _until(lambda: "spans are exported" in server.log)
        assert server.terminate() == 0
        log = server.log

    # What it says of the end depends on whether the collector was still there.
    before, _, _ = log.partition("spans are exported")
    assert before.count("spans cannot be exported") == 1
    assert "StatusCode" not in log, "the SDK's own lines"


def test_a_collector_that_hangs_holds_up_neither_calls_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = _Collector()
    collector.hanging = True
    with _listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch, timeout_s=600) as server:
        _use(server)
        assert collector.asked.wait(60)
        _use(server)

        assert server.terminate() == 0
        assert "dropped that should have gone to" in server.log


def _lines(path: Path) -> list[SpanLine]:
    return [decode_span_line(line) for line in path.read_bytes().splitlines()]


def test_spans_of_all_processes_stand_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    database = f"sqlite:///{tmp_path / 'server.db'}"
    with start_server(database, trace_file=file, services="sync", drain_linger_seconds=0) as server:
        command = [
            sys.executable,
            "-m",
            "syncline.cli",
            "sync",
            str(tmp_path / "device.db"),
            "--server",
            server.address,
        ]
        subprocess.run(command, check=True, env={**os.environ, "SYNCLINE_TRACE_FILE": str(file)})
        assert server.terminate() == 0
        assert "dropped" not in server.log

    starts = [line for line in _lines(file) if line.name == "syncline.v1.SyncService/StartSession"]
    asked, answered = sorted(starts, key=lambda line: line.kind)
    assert (asked.service, asked.kind, asked.status) == ("syncline-cli", "client", "unset")
    assert (answered.service, answered.kind, answered.status) == ("syncline-sync", "server", "unset")
    assert (answered.trace_id, answered.parent_span_id) == (asked.trace_id, asked.span_id)
    assert asked.start_ns < answered.start_ns < answered.end_ns
    assert answered.attributes["rpc.grpc.status_code"] == 0
    assert answered.instance
    assert answered.instance != asked.instance


def test_an_import_leaves_its_spans_in_the_file(tmp_path: Path) -> None:
    file, rows = tmp_path / "traces.jsonl", tmp_path / "planes.csv"
    rows.write_text("tailnum,seats\nN1,55\n")
    database = f"sqlite:///{tmp_path / 'server.db'}"
    command = [sys.executable, "-m", "syncline.server", "import", str(rows), "--type", "planes", "--key", "tailnum"]
    environment = {**os.environ, "SYNCLINE_TRACE_FILE": str(file), "SYNCLINE_DATABASE_URL": database}
    subprocess.run(command, check=True, env=environment)

    write, batch, imported = _lines(file)
    assert (write.name, write.parent_span_id) == ("write_records record", batch.span_id)
    assert (batch.name, batch.parent_span_id) == ("syncline.batch", imported.span_id)
    assert (imported.name, imported.service, imported.parent_span_id) == ("syncline.import", "syncline-import", None)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "only grpc"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP"),
        ({"SYNCLINE_TRACE_FILE": "/nowhere/traces.jsonl"}, "trace_file"),
    ],
    ids=["exporter", "protocol", "timeout", "file"],
)
def test_a_wrong_set_up_is_refused(variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsInvalid, match=named), tracing(load_settings(), "test"):
        pass
