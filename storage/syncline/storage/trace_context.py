"""Where records and requests come from: the context of the span in which they were written."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context

from syncline.data import trace_context

LINKS_MAX: Final = 32
"""Of one span: more contexts are left out."""


def current_trace_context() -> str | None:
    """The W3C context of the current span if it is sampled; None if not, or if there is none."""
    context = trace.get_current_span().get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return trace_context.encode(context.trace_id, context.span_id)


def span_context(text: str) -> trace.SpanContext | None:
    """The context that was kept as this text; None if it is none."""
    ids = trace_context.decode(text)
    if ids is None:
        return None
    return trace.SpanContext(*ids, is_remote=True, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))


def parent_context(text: str | None) -> Context:
    """A context whose current span is the one that was kept as this text; an empty one if it is none."""
    kept = None if text is None else span_context(text)
    return Context() if kept is None else trace.set_span_in_context(trace.NonRecordingSpan(kept), Context())


def links(texts: Iterable[str | None]) -> list[trace.Link]:
    """Links to the different contexts among these, in their order, `LINKS_MAX` at most."""
    contexts = (span_context(text) for text in dict.fromkeys(texts) if text is not None)
    return [trace.Link(context) for context in islice(filter(None, contexts), LINKS_MAX)]
