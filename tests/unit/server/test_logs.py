"""The log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.trace import TraceState

from syncline.server.config import LogFormat, LogLevel
from syncline.server.logs import set_up_logs
from tests.harness.spans import recorded_spans


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root, library = logging.getLogger(), logging.getLogger("opentelemetry")
    handlers, level, library_level = root.handlers, root.level, library.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    library.setLevel(library_level)
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_traceback_tells_where_but_no_values(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(password: str) -> None:
        raise RuntimeError("no luck")

    set_up_logs(LogLevel.INFO, log_format)
    try:
        fail("hunter2".upper())
    except RuntimeError as error:
        structlog.get_logger("test").error("call failed", exc_info=error)

    logged = capsys.readouterr().err
    assert "no luck" in logged
    assert "in fail" in logged
    assert "HUNTER2" not in logged


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_line_names_the_span_it_belongs_to(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogLevel.INFO, log_format)
    with recorded_spans(), trace.get_tracer("test").start_as_current_span("call") as span:
        structlog.get_logger("test").info("ours")
        logging.getLogger("library").warning("theirs")
    structlog.get_logger("test").info("outside")

    ours, theirs, outside = capsys.readouterr().err.splitlines()
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    span_id = trace.format_span_id(span.get_span_context().span_id)
    for line in (ours, theirs):
        assert trace_id in line
        assert span_id in line
    assert "trace_id" not in outside


def test_what_a_caller_sends_as_a_context_does_not_fill_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(LogLevel.DEBUG, LogFormat.TEXT)

    TraceState.from_header(["=,=,"])

    assert not capsys.readouterr().err
