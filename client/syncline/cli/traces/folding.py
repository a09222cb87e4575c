"""Many like spans as a few and one line for the others: a stream of days has thousands of pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from syncline.cli.traces.tree import Node
from syncline.cli.traces.words import duration
from syncline.data.span_lines import SpanLine

_ALIKE_MAX = 8


def fold(nodes: Sequence[Node]) -> list[Node]:
    """Of siblings of one name the first ones, and one node for all others but those with errors, by start."""
    alike: defaultdict[tuple[str, str], list[Node]] = defaultdict(list)
    for node in nodes:
        alike[node.span.service, node.span.name].append(node)
    shown: list[Node] = []
    for each in alike.values():
        first, others = each[:_ALIKE_MAX], each[_ALIKE_MAX:]
        whole = [node for node in others if not node.failed]
        shown += first
        shown += (node for node in others if node.failed)
        shown += [Node(_summary(whole))] if len(whole) > 1 else whole
    return sorted(shown, key=lambda node: node.span.start_ns)


def _summary(nodes: list[Node]) -> SpanLine:
    spans = [node.span for node in nodes]
    first = spans[0]
    lasted = sum(max(span.end_ns - span.start_ns, 0) for span in spans)
    return SpanLine(
        trace_id=first.trace_id,
        span_id=first.span_id,
        parent_span_id=first.parent_span_id,
        name=f"{len(spans):,} more {first.name}",
        kind=first.kind,
        start_ns=min(span.start_ns for span in spans),
        end_ns=max(span.end_ns for span in spans),
        service=first.service,
        attributes={"together": duration(lasted)},
    )
