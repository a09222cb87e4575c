"""Spans that wait for their exporter: a bounded number. What is dropped beyond it is counted."""

from __future__ import annotations

import os
import threading

from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from syncline.telemetry.reporting import ReportingExporter

_WAITING_MAX = 2_048
"""Unless OTEL_BSP_MAX_QUEUE_SIZE tells another number; it is what the specification has."""


class WaitingSpans(SpanProcessor):
    """The SDK's batches, with a bound of their own: the SDK drops without a count that could be asked for."""

    def __init__(self, exporter: ReportingExporter, *, delay_ms: int | None = None) -> None:
        """Export by this exporter.

        Args:
            exporter: It is told what is dropped.
            delay_ms: How long the first span of a batch waits; None: as `OTEL_*` tell.

        Raises:
            ValueError: one of `OTEL_*` makes no sense.
        """
        self._exporter = exporter
        self._spans_max = int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE) or _WAITING_MAX)
        self._batches = BatchSpanProcessor(exporter, self._spans_max, delay_ms)
        self._lock = threading.Lock()
        self._given = 0

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        with self._lock:
            # Also counts a batch that is being exported, so the SDK's own queue, which is as long, never overflows.
            is_full = self._given - self._exporter.handled >= self._spans_max
            self._given += not is_full
        if is_full:
            self._exporter.dropped.add(1)
        else:
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """See SpanProcessor."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # the SDK does not say what it answers

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanProcessor."""
        return self._batches.force_flush(timeout_millis)

    def give_up(self) -> None:
        """Wait for nothing more: what was not exported by now counts as dropped, and is told."""
        self._exporter.dropped.add(self._given - self._exporter.handled)
        self._exporter.dropped.tell(at_once=True)
