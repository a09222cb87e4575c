"""Spans of what the client does between its calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace

from syncline.data import telemetry
from syncline.v1 import queue_pb2

_tracer = trace.get_tracer(telemetry.SCOPE)


@contextmanager
def work_span(name: str, attributes: Mapping[str, str | int | bool] | None = None) -> Iterator[trace.Span]:
    """A span that is current in the block, and says if the block fails: as what, never with which words."""
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            tell_failure(span, error)
            raise


def page_attributes(page: queue_pb2.QueuePage) -> dict[str, int | bool]:
    """What a span says of the page that it is about."""
    return {
        telemetry.PAGE_NUMBER: page.page_number,
        telemetry.ITEMS: page.count,
        telemetry.IS_CHECKPOINT: page.HasField("checkpoint"),
    }


def tell_failure(span: trace.Span, error: Exception) -> None:
    """Say in the span that its work failed."""
    span.set_attribute(telemetry.ERROR_TYPE, type(error).__qualname__)
    span.set_status(trace.StatusCode.ERROR)
