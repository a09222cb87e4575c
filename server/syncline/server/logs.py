"""The log: one line an event, to stderr."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog
from opentelemetry import trace

from syncline.server.config import LogFormat, LogLevel
from syncline.telemetry.quiet import quieten_opentelemetry

_GRPC: Final = "grpc._cython.cygrpc"


def set_up_logs(level: LogLevel, log_format: LogFormat) -> None:
    """Send our own log lines and those of libraries to stderr, in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_span,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Without the values of variables, which would have secrets and record data among them.
    plain = structlog.dev.plain_traceback
    render: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format is LogFormat.JSON
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    quieten_opentelemetry()
    logging.getLogger(_GRPC).addFilter(_holds_nothing_received)


def _holds_nothing_received(record: logging.LogRecord) -> bool:
    """False for a line with bytes: metadata that is no UTF-8, as it came. A token may stand in it, or anything else."""
    return not any(isinstance(value, bytes) for value in record.args or ())


def _add_span(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Name the span that is current, if it is recorded: the line can be found from it, and it from the line."""
    span = trace.get_current_span()
    if span.is_recording():
        context = span.get_span_context()
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
