"""Traces of a server or worker: where its spans go, by its settings and the variables `OTEL_*`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

# The SDK and its exporters are imported where they are used: a server without traces starts without them.

_log = structlog.get_logger(__name__)


@contextmanager
def tracing(settings: Settings, service: str) -> Iterator[None]:
    """Make spans while the block runs, and export the last ones in bounded time at its end.

    Without a trace file or OTEL_TRACES_EXPORTER nothing is set up.

    Args:
        settings: Of this process.
        service: Its name, unless OTEL_SERVICE_NAME tells another one.

    Raises:
        SettingsInvalid: one of `OTEL_*` makes no sense, or the trace file cannot be written.
    """
    running = None
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        exporters = _exporters()
        files = [_file(settings.trace_file)] if settings.trace_file else []
        if exporters or files:
            from syncline.telemetry.provider import Tracing  # noqa: PLC0415  see above

            try:
                running = Tracing(service, exporters, files)
            except ValueError as error:
                raise SettingsInvalid(f"OTEL_*: {error}") from error
    try:
        yield
    finally:
        if running is not None:
            running.shut_down()


def _exporters() -> list[SpanExporter]:
    """Those that OTEL_TRACES_EXPORTER names."""
    names = {name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",")} - {"", "none"}
    if unknown := names - {"otlp", "console"}:
        raise SettingsInvalid(f"OTEL_TRACES_EXPORTER: {min(unknown)} is not one of otlp, console, none")
    made: list[SpanExporter] = []
    if "otlp" in names:
        made.append(_otlp())
    if "console" in names:
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415  see above

        made.append(_reporting(ConsoleSpanExporter(), "the console"))
    return made


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  see above

    general = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", general)
    if protocol != "grpc":
        raise SettingsInvalid(f"OTEL_EXPORTER_OTLP_PROTOCOL: only grpc is spoken, not {protocol}")
    try:
        exporter = OTLPSpanExporter()
    except (ValueError, OSError) as error:
        raise SettingsInvalid(f"OTEL_EXPORTER_OTLP_*: {error}") from error
    general = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317")
    return _reporting(exporter, os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", general))


def _file(path: str) -> SpanExporter:
    from syncline.telemetry.file_exporter import FileSpanExporter  # noqa: PLC0415  see above

    exporter = FileSpanExporter(Path(path))
    try:
        exporter.export(())  # makes the file
    except OSError as error:
        raise SettingsInvalid(f"trace_file: cannot write {path}: {error.strerror or error}") from error
    return _reporting(exporter, path)


def _reporting(exporter: SpanExporter, where: str) -> SpanExporter:
    from syncline.telemetry.reporting import ReportingExporter  # noqa: PLC0415  see above

    return ReportingExporter(exporter, where, failed=_log.warning, works_again=_log.warning)
