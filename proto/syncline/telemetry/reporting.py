"""Telling that spans cannot be exported: once when it begins, once when it is over, and how many were dropped."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from syncline.telemetry.dropped_spans import DroppedSpans
from syncline.telemetry.outage import Outage, Tell


class ReportingExporter(SpanExporter):
    """Exports by another exporter, of which no exception comes out: what it cannot export is dropped."""

    def __init__(self, exporter: SpanExporter, where: str, *, failed: Tell, works_again: Tell) -> None:
        """Export by this exporter.

        Args:
            exporter: It may be slow, fail, and raise.
            where: Where the spans go, for people.
            failed: Told, with a sentence, when an export failed and the one before did not, and what was dropped.
            works_again: Told, with a sentence, when it is the other way round.
        """
        self._exporter = exporter
        self._outage = Outage(
            f"spans cannot be exported to {where} and are dropped until it works again",
            f"spans are exported to {where} again",
            failed=failed,
            works_again=works_again,
        )
        self.dropped = DroppedSpans(where, failed)
        """What this exporter did not take; whoever hands it spans adds what it had no room for."""
        self.handled = 0
        """How many spans it was given and is done with."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        why = ""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001  telemetry must not disturb what it is about
            result, why = SpanExportResult.FAILURE, f": {error}"
        failing = result is not SpanExportResult.SUCCESS
        self._outage.note(failing=failing, why=why)
        self.handled += len(spans)
        if failing:
            self.dropped.add(len(spans))
        self.dropped.tell()
        return result

    def shutdown(self) -> None:
        """See SpanExporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanExporter."""
        return self._exporter.force_flush(timeout_millis)
