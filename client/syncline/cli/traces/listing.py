"""Which traces there are: found by the beginning of an id, or the newest."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from syncline.cli.traces.files import TraceFiles
from syncline.data.errors import DataError
from syncline.data.span_lines import SpanLine, decode_span_line, span_line_head, trace_ids_on_line

# Starts of traces that the first pass remembers, about 200 bytes each.
_STARTS_MAX = 50_000


@dataclass(slots=True)
class TraceSummary:
    """What a list says of a trace."""

    trace_id: str
    start_ns: int
    end_ns: int
    root: str
    """The name of its root span, or of its earliest as long as the root has not ended."""
    complete: bool
    """Its root span has ended."""
    services: list[str]
    span_count: int
    error_count: int


@dataclass(slots=True)
class _Seen:
    earliest: SpanLine
    end_ns: int = 0
    root: SpanLine | None = None
    services: set[str] = field(default_factory=set)
    span_count: int = 0
    error_count: int = 0

    def add(self, span: SpanLine) -> None:
        if span.start_ns < self.earliest.start_ns:
            self.earliest = span
        if span.parent_span_id is None and (self.root is None or span.start_ns < self.root.start_ns):
            self.root = span
        self.end_ns = max(self.end_ns, span.end_ns)
        self.services.add(span.service)
        self.span_count += 1
        self.error_count += span.status == "error"

    def summary(self) -> TraceSummary:
        return TraceSummary(
            trace_id=self.earliest.trace_id,
            start_ns=self.earliest.start_ns,
            end_ns=self.end_ns,
            root=(self.root or self.earliest).name,
            complete=self.root is not None,
            services=sorted(self.services),
            span_count=self.span_count,
            error_count=self.error_count,
        )


def traces_beginning(files: TraceFiles, prefix: str, most: int) -> list[str]:
    """Ids that begin so, in the order of the file; at most so many."""
    found: dict[str, None] = {}
    for line in files.lines():
        head = span_line_head(line)
        if head is not None and head[0].startswith(prefix):
            found[head[0]] = None
            if len(found) == most:
                break
    return list(found)


def newest_traces(files: TraceFiles, most: int) -> list[TraceSummary]:
    """The traces that started last, the newest first; at most so many.

    The memory it takes does not grow with the file.
    """
    # Spans are written when they end, children first, so a forgotten trace may come again with too late a start. The
    # second pass, over more traces than are asked for, puts those in their place.
    wanted = {trace_id.encode() for trace_id in _newest_starts(files, 2 * most + 100)}
    seen: dict[str, _Seen] = {}
    for line in files.lines():
        if wanted.isdisjoint(trace_ids_on_line(line)):
            continue
        try:
            span = decode_span_line(line)
        except DataError:
            continue
        if span.trace_id.encode() in wanted:
            seen.setdefault(span.trace_id, _Seen(span)).add(span)
    summaries = (each.summary() for each in seen.values())
    return heapq.nlargest(most, summaries, key=lambda summary: (summary.start_ns, summary.trace_id))


def _newest_starts(files: TraceFiles, most: int) -> list[str]:
    starts: dict[str, int] = {}
    for line in files.lines():
        head = span_line_head(line)
        if head is None:
            continue
        trace_id, start_ns = head
        known = starts.get(trace_id)
        if known is None or start_ns < known:
            starts[trace_id] = start_ns
            if len(starts) > 2 * _STARTS_MAX:
                starts = {each: starts[each] for each in heapq.nlargest(_STARTS_MAX, starts, key=starts.__getitem__)}
    return heapq.nlargest(most, starts, key=starts.__getitem__)
