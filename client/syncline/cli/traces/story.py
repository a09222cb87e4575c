"""A trace with the traces that it links to and that link to it: one pass over the files for each step away from it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from syncline.cli.traces.files import TraceFiles
from syncline.cli.traces.tree import Trace, build_trace
from syncline.data.errors import DataError
from syncline.data.span_lines import SpanLine, decode_span_line, trace_ids_on_line

# What is kept, so that memory does not grow with the file.
_SPANS_MAX = 2_000
_LINKED_MAX = 16
_TRACES_MAX = 32


@dataclass(slots=True)
class LinkedTraces:
    """Spans of one trace link to another trace."""

    from_trace_id: str
    from_span_id: str
    """Of the first link that was found."""
    from_name: str
    to_trace_id: str
    to_span_id: str
    count: int = 0
    """How many links there are."""


@dataclass(slots=True)
class Story:
    """What was found, the trace that was asked for first."""

    traces: list[Trace] = field(default_factory=list)
    distances: dict[str, int] = field(default_factory=dict)
    """Of each trace that was looked for, by its id: how many links away from the first it is."""
    links: list[LinkedTraces] = field(default_factory=list)
    links_left_out: Counter[str] = field(default_factory=Counter)
    """Of each trace that has too many, by its id: how many links to or from it are not among `links`."""
    lines_damaged: int = 0

    def linked(self, trace_id: str) -> list[LinkedTraces]:
        """The links from and to a trace."""
        return [link for link in self.links if trace_id in (link.from_trace_id, link.to_trace_id)]


def read_story(files: TraceFiles, trace_id: str, follow: int) -> Story | None:
    """Read a trace, and what is at most `follow` links away from it. Each trace comes once; None: there is no such."""
    story = Story()
    story.distances[trace_id] = 0
    step = [trace_id]
    for distance in range(follow + 1):
        found = _Found(set(step))
        found.read(files)
        story.traces += (
            build_trace(each, found.spans[each].kept(), found.spans[each].left_out)
            for each in step
            if each in found.spans
        )
        if not story.traces:
            return None
        story.lines_damaged = max(story.lines_damaged, found.lines_damaged)
        known = {(link.from_trace_id, link.to_trace_id) for link in story.links}
        news = [link for key, link in found.links.items() if key not in known]
        story.links += news
        story.links_left_out += found.links_left_out
        ends = dict.fromkeys(end for link in news for end in (link.to_trace_id, link.from_trace_id))
        step = [end for end in ends if end not in story.distances][: _TRACES_MAX - len(story.distances)]
        if not step or distance == follow:
            break
        story.distances |= dict.fromkeys(step, distance + 1)
    return story


class _EarliestSpans:
    """The spans of one trace that started first: parents before children, so that the tree keeps its top."""

    def __init__(self) -> None:
        self._spans: dict[str, SpanLine] = {}
        self._latest: list[tuple[int, str]] = []
        self.left_out = 0

    def add(self, span: SpanLine) -> None:
        if span.span_id in self._spans:
            return
        self._spans[span.span_id] = span
        heapq.heappush(self._latest, (-span.start_ns, span.span_id))
        if len(self._spans) > _SPANS_MAX:
            del self._spans[heapq.heappop(self._latest)[1]]
            self.left_out += 1

    def kept(self) -> Iterable[SpanLine]:
        return self._spans.values()


class _Found:
    """What one pass finds of some traces."""

    def __init__(self, trace_ids: set[str]) -> None:
        self._trace_ids = trace_ids
        self.spans: dict[str, _EarliestSpans] = {}
        self.links: dict[tuple[str, str], LinkedTraces] = {}
        self.links_left_out: Counter[str] = Counter()
        self._linked: Counter[str] = Counter()
        self.lines_damaged = 0

    def read(self, files: TraceFiles) -> None:
        wanted = {trace_id.encode() for trace_id in self._trace_ids}
        for line in files.lines():
            if wanted.isdisjoint(trace_ids_on_line(line)):
                continue
            try:
                span = decode_span_line(line)
            except DataError:
                self.lines_damaged += 1
            else:
                self._add(span)

    def _add(self, span: SpanLine) -> None:
        own = span.trace_id in self._trace_ids
        if own:
            self.spans.setdefault(span.trace_id, _EarliestSpans()).add(span)
        for link in span.links:
            if link.trace_id == span.trace_id or not (own or link.trace_id in self._trace_ids):
                continue
            key = (span.trace_id, link.trace_id)
            if key not in self.links and not self._room(*key):
                self.links_left_out.update(set(key) & self._trace_ids)
                continue
            linked = self.links.setdefault(
                key, LinkedTraces(span.trace_id, span.span_id, span.name, link.trace_id, link.span_id)
            )
            linked.count += 1

    def _room(self, from_trace_id: str, to_trace_id: str) -> bool:
        """Whether one more pair may be kept: each trace has so many on either side."""
        sides = [f"from {from_trace_id}", f"to {to_trace_id}"]
        watched = [
            side
            for side, trace_id in zip(sides, (from_trace_id, to_trace_id), strict=True)
            if trace_id in self._trace_ids
        ]
        if any(self._linked[side] >= _LINKED_MAX for side in watched):
            return False
        self._linked.update(watched)
        return True
