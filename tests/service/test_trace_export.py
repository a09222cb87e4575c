"""Where the spans of server processes go: a collector, that may be away or hang, and a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from syncline.data.span_lines import SpanLine, decode_span_line
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.traces_setup import tracing
from tests.harness.otlp import SpanCollector, exporting_to, listening, use
from tests.harness.server import ServerProcess, start_server


def _exporting_to(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, timeout_s: float = 0.5
) -> AbstractContextManager[ServerProcess]:
    return exporting_to(
        port, tmp_path, monkeypatch, timeout_s=timeout_s, OTEL_TRACES_EXPORTER="otlp", OTEL_BSP_SCHEDULE_DELAY="20"
    )


def _until(holds: Callable[[], object]) -> None:
    """Wait for what another process does; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.01)


def test_spans_reach_a_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    collector = SpanCollector()
    with listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch) as server:
        use(server)
        assert server.terminate() == 0

    assert "syncline.v1.SyncService/StartSession" in collector.names
    assert collector.attribute("service.name") == {"syncline-server"}
    assert collector.attribute("deployment.environment") == {"test"}
    assert len(collector.attribute("service.instance.id")) == 1


def test_a_collector_that_is_away_is_told_of_once_and_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = SpanCollector()
    with listening(SpanCollector()) as port:
        pass
    with _exporting_to(port, tmp_path, monkeypatch) as server:
        for _ in range(3):
            use(server)
        _until(lambda: "spans cannot be exported" in server.log)
        use(server)
        with listening(collector, port):

            def has_come() -> bool:
                use(server)
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
    collector = SpanCollector()
    collector.hanging = True
    with listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch, timeout_s=600) as server:
        use(server)
        assert collector.asked.wait(60)
        use(server)

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
