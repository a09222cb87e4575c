"""Telling that metrics cannot be exported: once when it begins, once when it is over."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from syncline.telemetry.outage import Outage, Tell


class ReportingMetricExporter(MetricExporter):
    """Exports by another exporter, of which no exception comes out. What is not exported is in the next export, too."""

    def __init__(self, exporter: MetricExporter, where: str, *, failed: Tell, works_again: Tell) -> None:
        """Export by this exporter.

        Args:
            exporter: It may be slow, fail, and raise.
            where: Where the metrics go, for people.
            failed: Told, with a sentence, when an export failed and the one before did not.
            works_again: Told, with a sentence, when it is the other way round.
        """
        super().__init__(
            exporter._preferred_temporality,  # noqa: SLF001  there is no other way to ask for them
            exporter._preferred_aggregation,  # noqa: SLF001
        )
        self._exporter = exporter
        self._outage = Outage(
            f"metrics cannot be exported to {where} until it works again",
            f"metrics are exported to {where} again",
            failed=failed,
            works_again=works_again,
        )

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """See MetricExporter."""
        why = ""
        try:
            result = self._exporter.export(metrics_data, timeout_millis, **kwargs)
        except Exception as error:  # noqa: BLE001  telemetry must not disturb what it is about
            result, why = MetricExportResult.FAILURE, f": {error}"
        failing = result is not MetricExportResult.SUCCESS
        self._outage.note(failing=failing, why=why)
        return result

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """See MetricExporter."""
        self._exporter.shutdown(timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """See MetricExporter."""
        return self._exporter.force_flush(timeout_millis)
