"""Traces of a server or worker: where its spans go, by its settings and the variables `OTEL_*`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid
from syncline.server.telemetry.variables import make_exporters, telemetry_is_disabled

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from syncline.telemetry.outage import Tell
    from syncline.telemetry.reporting import ReportingExporter

# The SDK and its exporters are imported where they are used: a server without traces starts without them.

_log = structlog.get_logger(__name__)


@contextmanager
def tracing(settings: Settings, service: str, *, warn: Tell = _log.warning) -> Iterator[None]:
    """Make spans while the block runs, and export the last ones in bounded time at its end.

    Without a trace file or OTEL_TRACES_EXPORTER nothing is set up.

    Args:
        settings: Of this process.
        service: Its name, unless OTEL_SERVICE_NAME tells another one.
        warn: Is told, in a sentence, when spans cannot be exported and when they can again.

    Raises:
        SettingsInvalid: one of `OTEL_*` makes no sense, or the trace file cannot be written.
    """
    running = None
    if not telemetry_is_disabled():
        exporters = [_reporting(*made, warn) for made in make_exporters("TRACES", _otlp, _console)]
        files = [_file(settings.trace_file, warn)] if settings.trace_file else []
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


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  see above

    return OTLPSpanExporter()


def _console() -> SpanExporter:
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415  see above

    return ConsoleSpanExporter()


def _file(path: str, warn: Tell) -> ReportingExporter:
    from syncline.telemetry.file_exporter import FileSpanExporter  # noqa: PLC0415  see above

    exporter = FileSpanExporter(Path(path))
    try:
        exporter.export(())  # makes the file
    except OSError as error:
        raise SettingsInvalid(f"trace_file: cannot write {path}: {error.strerror or error}") from error
    return _reporting(exporter, path, warn)


def _reporting(exporter: SpanExporter, where: str, warn: Tell) -> ReportingExporter:
    from syncline.telemetry.reporting import ReportingExporter  # noqa: PLC0415  see above

    return ReportingExporter(exporter, where, failed=warn, works_again=warn)
