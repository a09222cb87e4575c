"""Metrics that server processes send to a collector, which may be away or hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from syncline.data.metrics import CALL_DURATION, SECONDS
from syncline.server.config import load_settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.metrics_setup import metering
from tests.harness.otlp import MetricCollector, exporting_to, listening, use
from tests.harness.server import ServerProcess


def _exporting_to(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, timeout_s: float = 0.5
) -> AbstractContextManager[ServerProcess]:
    return exporting_to(
        port, tmp_path, monkeypatch, timeout_s=timeout_s, OTEL_METRICS_EXPORTER="otlp", OTEL_METRIC_EXPORT_INTERVAL="50"
    )


def _starts(collector: MetricCollector) -> int:
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
    collector = MetricCollector()
    with listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch) as server:
        assert collector.came.wait(60)
        use(server)
        assert server.terminate() == 0

    assert _starts(collector) == 1
    assert collector.attribute("service.name") == {"syncline-server"}
    assert tuple(collector.points(CALL_DURATION.name)[0].explicit_bounds) == SECONDS


def test_a_collector_that_is_away_loses_nothing_and_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = MetricCollector()
    with listening(MetricCollector()) as port:
        pass
    with _exporting_to(port, tmp_path, monkeypatch) as server:
        use(server)
        _until(lambda: "metrics cannot be exported" in server.log)
        use(server)
        with listening(collector, port):
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
    collector = MetricCollector()
    collector.hanging = True
    with listening(collector) as port, _exporting_to(port, tmp_path, monkeypatch, timeout_s=600) as server:
        assert collector.asked.wait(60)
        use(server)

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
