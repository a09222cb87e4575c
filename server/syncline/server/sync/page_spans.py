"""Spans of pages: each links to where the records on it were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from syncline.data import telemetry
from syncline.server.sync.paging import Page
from syncline.storage.trace_context import links

_tracer = trace.get_tracer(telemetry.SCOPE)


@contextmanager
def page_span(page: Page) -> Iterator[None]:
    """A span while the page is handed out, if the call has one. It is not made current: the block may yield."""
    if not trace.get_current_span().is_recording():
        yield
        return
    message = page.message
    span = _tracer.start_span(
        telemetry.SPAN_PAGE,
        links=links(item.trace_context for items in page.items for item in items),
        attributes={
            telemetry.PAGE_NUMBER: message.page_number,
            telemetry.ITEMS: message.count,
            # Not the message's: to tell its own size it is serialized, all of it.
            telemetry.SIZE_BYTES: sum(len(item.frame or b"") for items in page.items for item in items),
            telemetry.FEEDS: len({(segment.scope, segment.bucket) for segment in message.segments}),
            telemetry.IS_CHECKPOINT: message.HasField("checkpoint"),
        },
    )
    try:
        yield
    finally:
        span.end()
