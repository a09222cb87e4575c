"""Where local changes come from: the context of the span in which they were made, as text."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry import trace

from syncline.data import trace_context

LINKS_MAX = 32
"""Of one span: more contexts are left out."""


def current_trace_context() -> str | None:
    """The W3C context of the current span if it is sampled; None if not, or if there is none."""
    context = trace.get_current_span().get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return trace_context.encode(context.trace_id, context.span_id)


def links(texts: Iterable[str]) -> list[trace.Link]:
    """Links to the spans of these contexts."""
    ids = map(trace_context.decode, texts)
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return [trace.Link(trace.SpanContext(*each, is_remote=True, trace_flags=flags)) for each in ids if each is not None]
