"""Spans of a command, in the file that SYNCLINE_TRACE_FILE names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncline.data.telemetry import SERVICE_CLI
from syncline.telemetry.quiet import quieten_opentelemetry

TRACE_FILE = "SYNCLINE_TRACE_FILE"


@contextmanager
def tracing() -> Iterator[None]:
    """Make spans while the block runs, if the variable is set. They are never worth failing for."""
    path = os.environ.get(TRACE_FILE)
    if not path:
        yield
        return
    try:
        from syncline.telemetry.file_exporter import FileSpanExporter  # noqa: PLC0415 - an extra
        from syncline.telemetry.provider import Tracing  # noqa: PLC0415 - an extra
        from syncline.telemetry.reporting import ReportingExporter  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        _tell(f"no spans are written to {path}: that needs opentelemetry-sdk")
        yield
        return
    quieten_opentelemetry()
    exporter = ReportingExporter(FileSpanExporter(Path(path)), path, failed=_tell, works_again=_tell)
    try:
        running = Tracing(SERVICE_CLI, exporters=(), files=(exporter,))
    except ValueError as error:
        _tell(f"no spans are written to {path}: OTEL_*: {error}")
        yield
        return
    try:
        yield
    finally:
        running.shut_down()


def _tell(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)
