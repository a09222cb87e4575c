"""Traces as waterfalls: the tree of spans on the left, bars on one axis of time on the right."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from syncline.cli.output import printable
from syncline.cli.traces.folding import fold
from syncline.cli.traces.story import LinkedTraces, Story
from syncline.cli.traces.tree import Row, Trace
from syncline.cli.traces.words import SHORT_ID, duration, error_message, event_lines, key_attributes, start_time

_WIDTH_MIN = 24
_DURATION_WIDTH = len("12 m 34 s")
_SERVICE_WIDTH_MAX = 20
_BAR_WIDTH_MIN = 8
_BAR_WIDTH_MAX = 60
_LABEL_WIDTH_MIN = 16
# Narrower terminals do without.
_SERVICE_FROM = 72
_BAR_FROM = 44


class _Columns:
    """How the width is shared out; 0: the column is left out."""

    def __init__(self, trace: Trace, rows: Sequence[Row], width: int) -> None:
        width = max(width, _WIDTH_MIN)
        rest = width - _DURATION_WIDTH - 1
        self.width = width
        self.service = 0
        if width >= _SERVICE_FROM:
            widest = max(cell_len(printable(service)) for service in trace.services)
            self.service = min(widest, _SERVICE_WIDTH_MAX)
            rest -= self.service + 1
        label = max(cell_len(_guides(row) + _name(row)) for row in rows)
        if width < _BAR_FROM:
            self.bar, self.label = 0, min(label, rest)
        else:
            self.label = min(label, max(_LABEL_WIDTH_MIN, rest - 1 - _BAR_WIDTH_MAX, rest * 3 // 5))
            self.bar = max(_BAR_WIDTH_MIN, min(rest - 1 - self.label, _BAR_WIDTH_MAX))
        # Where not every name fits, the lines of the tree take at most half of the column.
        self.guides = self.label if label <= self.label else self.label // 2


def draw_story(story: Story, width: int) -> Iterator[Text]:
    """The first trace, then the linked ones, each with what leads to it. No line but those of messages is wider."""
    for trace in story.traces:
        if story.distances[trace.trace_id]:
            yield Text()
            yield from _ways(story, trace.trace_id)
        yield from draw_trace(trace, width)
        yield from _not_shown(story, trace.trace_id)


def draw_trace(trace: Trace, width: int) -> Iterator[Text]:
    """A title and the waterfall."""
    yield Text(f"trace {trace.trace_id}", "bold")
    title = [
        start_time(trace.start_ns),
        duration(trace.end_ns - trace.start_ns),
        _count(trace.span_count, "span"),
        ", ".join(map(printable, trace.services)),
    ]
    line = Text("  ".join(title))
    if trace.error_count:
        line.append(f"  {_count(trace.error_count, 'error')}", "bold red")
    yield line
    rows = list(trace.rows(fold))
    columns = _Columns(trace, rows, width)
    for row in rows:
        yield _span_line(trace, row, columns)
        yield from _detail_lines(row, columns)
    if trace.spans_left_out:
        yield Text(f"{trace.spans_left_out:,} later spans are left out", "yellow")


def _span_line(trace: Trace, row: Row, columns: _Columns) -> Text:
    span = row.node.span
    style = "bold red" if span.status == "error" else ""
    line = Text()
    guides = _fitting_guides(row, columns)
    line.append(guides, "dim")
    line.append(_fitted(_name(row), columns.label - cell_len(guides)), style)
    if columns.service:
        line.append(" " + _fitted(printable(span.service), columns.service), "cyan")
    line.append(f" {duration(span.end_ns - span.start_ns):>{_DURATION_WIDTH}}", style)
    if columns.bar:
        line.append(" " + _bar(trace, row, columns.bar), "red" if style else "green")
    line.rstrip()
    return line


def _detail_lines(row: Row, columns: _Columns) -> Iterator[Text]:
    span = row.node.span
    before = _fitting_guides(row, columns, below=True)
    room = max(columns.width - cell_len(before), 8)
    for word in (key_attributes(span), *event_lines(span)):
        if word:
            line = Text(before + word, "dim")
            line.truncate(columns.width, overflow="ellipsis")
            yield line
    if message := error_message(span):
        for part in textwrap.wrap(message, room, initial_indent="✗ ", subsequent_indent="  "):
            yield Text.assemble((before, "dim"), (part, "red"))


def _name(row: Row) -> str:
    return printable(row.node.span.name) + (" (its parent is not in the file)" if row.node.lost_parent else "")


def _guides(row: Row, *, below: bool = False) -> str:
    """The lines of the tree before a name, or before what stands below it."""
    if not row.last:
        return ("│ " if row.node.children else "  ") if below else ""
    above = "".join("  " if last else "│ " for last in row.last[:-1])
    if below:
        return above + ("  " if row.last[-1] else "│ ") + ("│ " if row.node.children else "  ")
    return above + ("└ " if row.last[-1] else "├ ")


def _fitting_guides(row: Row, columns: _Columns, *, below: bool = False) -> str:
    """As much of them as there is room for: those next to the name."""
    guides = _guides(row, below=below)
    most = columns.guides + 2 * below
    return guides if len(guides) <= most else "…" + guides[len(guides) - most + 1 :]


def _bar(trace: Trace, row: Row, width: int) -> str:
    span = row.node.span
    whole = max(trace.end_ns - trace.start_ns, 1)
    first = min((span.start_ns - trace.start_ns) * width // whole, width - 1)
    after = -((trace.start_ns - max(span.end_ns, span.start_ns)) * width // whole)
    return " " * first + "█" * max(min(after, width) - first, 1)


def _fitted(text: str, width: int) -> str:
    """The text in exactly so many cells."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, max(width - 1, 0)).rstrip() + "…", width)


def _ways(story: Story, trace_id: str) -> Iterator[Text]:
    """Which links lead to a trace from those shown before it."""
    for link in story.linked(trace_id):
        before = link.from_trace_id if link.to_trace_id == trace_id else link.to_trace_id
        if story.distances.get(before, story.distances[trace_id]) < story.distances[trace_id]:
            yield Text(_link_words(story, link, before), "bold magenta")


def _not_shown(story: Story, trace_id: str) -> Iterator[Text]:
    """The links of a trace to others that are not shown at all."""
    shown = {trace.trace_id for trace in story.traces}
    for link in story.linked(trace_id):
        other = link.from_trace_id if link.to_trace_id == trace_id else link.to_trace_id
        if other not in shown:
            why = "not in the file" if other in story.distances else "not followed"
            yield Text(f"{_link_words(story, link, trace_id)} ({why})", "magenta")
    if left_out := story.links_left_out[trace_id]:
        yield Text(f"  {left_out:,} more links from or to other traces", "magenta")


def _link_words(story: Story, link: LinkedTraces, seen_from: str) -> str:
    times = f" ({link.count:,} links)" if link.count > 1 else ""
    from_name = printable(link.from_name)
    if seen_from == link.from_trace_id:
        target = next((trace for trace in story.traces if trace.trace_id == link.to_trace_id), None)
        span = target.span(link.to_span_id) if target else None
        to_name = f"{printable(span.name)} of " if span else ""
        return (
            f"→ {from_name} of {link.from_trace_id[:SHORT_ID]} links to {to_name}{link.to_trace_id[:SHORT_ID]}{times}"
        )
    return f"← {from_name} of {link.from_trace_id[:SHORT_ID]} links to {link.to_trace_id[:SHORT_ID]}{times}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
