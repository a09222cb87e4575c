"""Spans to a file, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import INVALID_SPAN_CONTEXT, format_span_id, format_trace_id

from syncline.data.span_file import SpanFile
from syncline.data.span_lines import SpanEvent, SpanKind, SpanLine, SpanLink, SpanStatus, encode_span_line


class FileSpanExporter(SpanExporter):
    """Appends each batch of spans to a file that other processes append to as well."""

    def __init__(self, path: Path) -> None:
        self._file = SpanFile(path)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter; raises OSError if the file cannot be written."""
        self._file.append(b"".join(encode_span_line(span_line(span)) for span in spans))
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  nothing is held back
        """See SpanExporter."""
        return True


def span_line(span: ReadableSpan) -> SpanLine:
    """An ended span as what stands on its line."""
    context = span.get_span_context() or INVALID_SPAN_CONTEXT  # the latter: only by its type
    told: dict[str, Any] = dict(span.resource.attributes)
    return SpanLine(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=None if span.parent is None else format_span_id(span.parent.span_id),
        name=span.name,
        kind=cast("SpanKind", span.kind.name.lower()),
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        service=str(told.get(SERVICE_NAME, "")),
        instance=str(told.get(SERVICE_INSTANCE_ID, "")),
        status=cast("SpanStatus", span.status.status_code.name.lower()),
        status_message=span.status.description or "",
        attributes=dict(span.attributes or {}),
        events=tuple(SpanEvent(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events),
        links=tuple(
            SpanLink(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id))
            for link in span.links
        ),
    )
