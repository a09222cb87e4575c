"""Metrics of a server or worker: who gets them, by its settings and the variables `OTEL_*`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from syncline.server.address import parse_address
from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.variables import make_exporters, telemetry_is_disabled

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader

    from syncline.server.telemetry.metrics_page import MetricsPage

# The SDK, its exporters and the client of Prometheus are imported where they are used: a server without metrics starts
# without them.

_log = structlog.get_logger(__name__)


@contextmanager
def metering(settings: Settings, service: str) -> Iterator[None]:
    """Collect metrics while the block runs, and export the last numbers in bounded time at its end.

    Without `metrics_listen` or OTEL_METRICS_EXPORTER nothing is set up.

    Args:
        settings: Of this process.
        service: Its name, unless OTEL_SERVICE_NAME tells another one.

    Raises:
        SettingsInvalid: one of `OTEL_*` makes no sense, or `metrics_listen` cannot be served on.
    """
    if telemetry_is_disabled():
        yield
        return
    page = _page(settings.metrics_listen) if settings.metrics_listen else None
    running = None
    try:
        readers = [_periodic(_reporting(*made)) for made in make_exporters("METRICS", _otlp, _console)]
        if page is not None:
            readers.append(page.reader)
        if readers:
            from syncline.telemetry.metrics_provider import Metering  # noqa: PLC0415  see above

            try:
                running = Metering(service, readers)
            except ValueError as error:
                raise SettingsInvalid(f"OTEL_*: {error}") from error
        if page is not None:
            _log.info("serving metrics", address=f"http://{page.address}/metrics")
        yield
    finally:
        if page is not None:
            page.close()
        if running is not None:
            running.shut_down()


def _page(listen: str) -> MetricsPage:
    from syncline.server.telemetry.metrics_page import MetricsPage  # noqa: PLC0415  see above

    return MetricsPage(parse_address(listen, setting="metrics_listen"))


def _otlp() -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  see above

    return OTLPMetricExporter()


def _console() -> MetricExporter:
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter  # noqa: PLC0415  see above

    return ConsoleMetricExporter()


def _reporting(exporter: MetricExporter, where: str) -> MetricExporter:
    from syncline.telemetry.reporting_metrics import ReportingMetricExporter  # noqa: PLC0415  see above

    return ReportingMetricExporter(exporter, where, failed=_log.warning, works_again=_log.warning)


def _periodic(exporter: MetricExporter) -> MetricReader:
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415  see above

    try:  # by itself it would take what is no number for nothing
        return PeriodicExportingMetricReader(exporter, float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 60_000))
    except ValueError as error:
        raise SettingsInvalid(f"OTEL_METRIC_EXPORT_INTERVAL: {error}") from error
