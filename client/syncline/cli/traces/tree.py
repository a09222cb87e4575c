"""The spans of one trace as a tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from syncline.data.span_lines import SpanLine

DEPTH_MAX = 64
"""Deeper spans are shown beside their parent."""


@dataclass(slots=True)
class Node:
    """A span and what it called, by start."""

    span: SpanLine
    lost_parent: bool = False
    """Its parent is not in the file."""
    failed: bool = False
    """It ended with an error, or something below it did."""
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """A node as it stands in the tree."""

    node: Node
    last: tuple[bool, ...]
    """For each ancestor below the root, and the node itself: whether no sibling follows. Empty for a root."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace, as far as its spans have ended."""

    trace_id: str
    roots: tuple[Node, ...]
    start_ns: int
    end_ns: int
    services: tuple[str, ...]
    span_count: int
    """With those left out."""
    error_count: int
    spans_left_out: int
    """The latest, which were too many to keep."""

    def rows(self, choose: Callable[[Sequence[Node]], Sequence[Node]] = list) -> Iterator[Row]:
        """The nodes, each before its children: those that are chosen of the roots and of the children of each."""
        waiting = [Row(root, ()) for root in reversed(choose(self.roots))]
        while waiting:
            row = waiting.pop()
            yield row
            children = choose(row.node.children)
            waiting += (
                Row(child, (*row.last, index == len(children) - 1))
                for index, child in reversed(list(enumerate(children)))
            )

    def span(self, span_id: str) -> SpanLine | None:
        """The span of that id, if it is there."""
        return next((row.node.span for row in self.rows() if row.node.span.span_id == span_id), None)


def build_trace(trace_id: str, spans: Iterable[SpanLine], spans_left_out: int = 0) -> Trace:
    """Make the tree of spans: at least one, each id once.

    A span whose parent is not there, or that is its own ancestor, becomes a root.
    """
    nodes = {span.span_id: Node(span) for span in sorted(spans, key=lambda span: (span.start_ns, span.end_ns))}
    children: defaultdict[str, list[Node]] = defaultdict(list)
    roots: list[Node] = []
    for node in nodes.values():
        parent = node.span.parent_span_id
        node.lost_parent = parent is not None and parent not in nodes
        if parent is None or node.lost_parent:
            roots.append(node)
        else:
            children[parent].append(node)
    placed: set[str] = set()
    for root in roots:
        _place(root, children, placed)
    for node in nodes.values():
        if node.span.span_id not in placed:  # in a circle: it begins at its earliest span
            roots.append(node)
            _place(node, children, placed)
    kept = [node.span for node in nodes.values()]
    trace = Trace(
        trace_id=trace_id,
        roots=tuple(roots),
        start_ns=min(span.start_ns for span in kept),
        end_ns=max(max(span.start_ns, span.end_ns) for span in kept),
        services=tuple(sorted({span.service for span in kept})),
        span_count=len(kept) + spans_left_out,
        error_count=sum(span.status == "error" for span in kept),
        spans_left_out=spans_left_out,
    )
    for row in reversed(list(trace.rows())):
        row.node.failed = row.node.span.status == "error" or any(child.failed for child in row.node.children)
    return trace


def _place(root: Node, children: dict[str, list[Node]], placed: set[str]) -> None:
    """Hang below the root all that belongs there and is placed nowhere yet."""
    placed.add(root.span.span_id)
    waiting = [(root, root, 0)]
    while waiting:
        node, parent, depth = waiting.pop()
        holder = node if depth < DEPTH_MAX else parent
        for child in children.get(node.span.span_id, ()):
            if child.span.span_id not in placed:
                placed.add(child.span.span_id)
                holder.children.append(child)
                waiting.append((child, holder, depth + 1))
