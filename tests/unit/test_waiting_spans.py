"""Spans that wait for an exporter that does not keep up: a bounded number, and what is dropped is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from syncline.data.metrics import DROPPED_SPANS
from syncline.telemetry import dropped_spans
from syncline.telemetry.reporting import ReportingExporter
from syncline.telemetry.waiting_spans import WaitingSpans
from tests.harness.metrics import recorded_metrics


class Gate(SpanExporter):
    """Counts what it takes; waits while it is closed, and fails when told so."""

    def __init__(self) -> None:
        self.taken = 0
        self.asked = Event()
        self.open = Event()
        self.result = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        self.asked.set()
        self.open.wait()
        self.taken += len(spans) * (self.result is SpanExportResult.SUCCESS)
        return self.result


class Site:
    """A provider whose spans go through the gate, eight at a time."""

    def __init__(self, gate: Gate) -> None:
        self.said: list[str] = []
        exporter = ReportingExporter(gate, "there", failed=self.said.append, works_again=self.said.append)
        self.waiting = WaitingSpans(exporter, delay_ms=1)
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(self.waiting)
        self._tracer = self._provider.get_tracer("test")

    def end_spans(self, count: int) -> None:
        """As many as that."""
        for _ in range(count):
            self._tracer.start_span("x").end()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def site(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    return Site(gate)


def test_an_exporter_that_keeps_up_gets_all(gate: Gate, site: Site) -> None:
    gate.open.set()
    for _ in range(5):
        site.end_spans(8)
        assert site.waiting.force_flush()
    site.waiting.shutdown()
    site.waiting.give_up()
    assert (gate.taken, site.said) == (40, [])


def test_what_there_is_no_room_for_is_counted_and_told_at_the_end(gate: Gate, site: Site) -> None:
    site.end_spans(1)
    gate.asked.wait()
    site.end_spans(10)
    gate.open.set()
    site.waiting.shutdown()
    site.waiting.give_up()
    assert gate.taken == 8
    assert site.said == ["3 spans were dropped that should have gone to there"]


def test_what_an_exporter_hangs_with_at_the_end_counts_as_dropped(gate: Gate, site: Site) -> None:
    site.end_spans(1)
    gate.asked.wait()
    site.waiting.give_up()
    assert site.said == ["1 span was dropped that should have gone to there"]


def test_what_cannot_be_exported_is_told_again_after_a_minute(
    gate: Gate, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.open.set()
    gate.result = SpanExportResult.FAILURE
    for _ in range(2):
        site.end_spans(4)
        site.waiting.force_flush()
    assert [line.split(" and ")[0] for line in site.said] == ["spans cannot be exported to there"]
    monkeypatch.setattr(dropped_spans, "_TELL_EACH_SECONDS", 0.0)
    site.end_spans(4)
    site.waiting.shutdown()
    assert site.said[1:] == ["12 spans were dropped that should have gone to there"]


def test_dropped_spans_are_a_metric() -> None:
    with recorded_metrics() as recorded:
        dropped_spans.DroppedSpans("there", print).add(3)
        assert recorded.counts(DROPPED_SPANS) == {(): 3}
