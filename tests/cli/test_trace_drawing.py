"""Waterfalls on terminals of any width, and trees of any shape."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from syncline.cli.traces.drawing import draw_trace
from syncline.cli.traces.tree import DEPTH_MAX, Trace, build_trace
from syncline.cli.traces.words import duration, error_message, key_attributes
from syncline.data.span_lines import SpanEvent, SpanLine

TRACE = "1" * 32


def span(number: int, parent: int | None, start: int, name: str = "") -> SpanLine:
    parent_id = None if parent is None else f"{parent:016x}"
    return SpanLine(TRACE, f"{number:016x}", parent_id, name or f"s{number}", "internal", start, start + 5, "service")


def tree(trace: Trace) -> list[str]:
    return ["  " * len(row.last) + row.node.span.name for row in trace.rows()]


def test_children_stand_below_their_parents_by_start() -> None:
    spans = [span(1, None, 0), span(4, 2, 5), span(3, 1, 2), span(2, 1, 1), span(4, 2, 5)]
    trace = build_trace(TRACE, spans)
    assert tree(trace) == ["s1", "  s2", "    s4", "  s3"]
    assert (trace.start_ns, trace.end_ns, trace.span_count) == (0, 10, 4)


def test_spans_without_their_parent_and_in_circles_are_roots() -> None:
    spans = [span(2, 1, 9), span(3, 2, 9), span(5, 6, 2), span(6, 7, 4), span(7, 5, 3), span(8, 8, 1)]
    trace = build_trace(TRACE, spans)
    assert tree(trace) == ["s2", "  s3", "s8", "s5", "  s7", "    s6"]
    assert [root.lost_parent for root in trace.roots] == [True, False, False]


def test_the_deepest_stand_beside_their_parents() -> None:
    trace = build_trace(TRACE, [span(1, None, 0), *(span(n, n - 1, n) for n in range(2, 3_000))])
    depths = [len(row.last) for row in trace.rows()]
    assert len(depths) == 2_999
    assert max(depths) == DEPTH_MAX


def test_many_like_siblings_are_folded_and_errors_are_not() -> None:
    pages = [span(n, 1, n, "page") for n in range(2, 102)]
    failed = replace(span(501, 90, 92, "inner"), status="error")
    spans = [span(1, None, 0), *pages, *(span(200 + n, 1, n, "once") for n in (3, 50)), span(500, 60, 61, "inner")]
    trace = build_trace(TRACE, [*spans, failed])
    names = [line.plain.split("service")[0].strip("├└│ ") for line in draw_trace(trace, 120) if "█" in line.plain]
    assert names == ["s1", "page", "page", "once", *["page"] * 6, "91 more page", "once", "page", "inner"]
    (total,) = (line.plain.strip("│ ") for line in draw_trace(trace, 120) if "together" in line.plain)
    assert total == "together=0 µs"


@pytest.mark.parametrize("width", [1, 24, 43, 44, 71, 72, 80, 120, 200])
def test_no_line_of_a_waterfall_is_wider_than_the_terminal(width: int) -> None:
    spans = [span(1, None, 0, "名前" * 30), *(span(n, n - 1, n) for n in range(2, 40))]
    spans[5] = replace(spans[5], attributes={"syncline.text": "長い" * 60})
    spans[6] = replace(spans[6], status="error", status_message="long words and more of them " * 9 + "x" * 300)
    _, _, *lines = draw_trace(build_trace(TRACE, spans), width)
    assert max(cell_len(line.plain) for line in lines) <= max(width, 24)
    assert sum(("█" in line.plain) for line in lines) == (39 if width >= 44 else 0)
    assert sum(("service" in line.plain) for line in lines) == (39 if width >= 72 else 0)
    assert sum((" ns" in line.plain or " µs" in line.plain) for line in lines) == 39


@pytest.mark.parametrize(
    ("message", "thrown", "attributes", "shown"),
    [
        ("no\nway", ("E", "e"), {}, "no way"),
        ("", ("E", "e"), {}, "E: e"),
        ("", None, {"error.type": "UNAVAILABLE"}, "UNAVAILABLE"),
        ("", None, {}, "failed"),
    ],
)
def test_an_error_says_the_most_it_knows(
    message: str, thrown: tuple[str, str] | None, attributes: dict[str, str], shown: str
) -> None:
    events: tuple[SpanEvent, ...] = ()
    if thrown:
        kind, text = thrown
        events = (SpanEvent("exception", 0, {"exception.type": kind, "exception.message": text}),)
    failed = replace(span(1, None, 0), status="error", status_message=message, attributes=attributes, events=events)
    assert error_message(failed) == shown
    assert error_message(replace(failed, status="ok")) == ""


def test_errors_are_red() -> None:
    failed = replace(span(2, 1, 3), status="error", status_message="no")
    lines = list(draw_trace(build_trace(TRACE, [span(1, None, 0), failed]), 80))
    red = [line.plain for line in lines if any("red" in str(part.style) for part in line.spans)]
    assert [line.split()[-1] for line in red[:1]] == ["error"]
    assert [line.split()[:2] for line in red[1:]] == [["└", "s2"], ["✗", "no"]]


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (-5, "0 µs"),
        (999_000, "999 µs"),
        (1_500_000, "1.5 ms"),
        (1_234_000_000, "1.23 s"),
        (61_000_000_000, "1 m 01 s"),
        (7_380_000_000_000, "2 h 03 m"),
    ],
)
def test_durations_in_words(ns: int, words: str) -> None:
    assert duration(ns) == words


def test_key_attributes_are_those_that_the_name_does_not_tell() -> None:
    attributes = {
        "rpc.system": "grpc",
        "rpc.method": "FetchQueue",
        "rpc.grpc.status_code": 0,
        "db.collection.name": "record",
        "db.operation.batch.size": 2,
        "syncline.items": 5,
        "syncline.types": ["a", "b", "c", "d", "e"],
    }
    told = key_attributes(replace(span(1, None, 0), attributes=attributes))
    assert told == "db.operation.batch.size=2  items=5  types=[a,b,c,d,… 5 in all]"
    assert key_attributes(replace(span(1, None, 0), attributes={"rpc.grpc.status_code": 14})) == (
        "rpc.grpc.status_code=14"
    )
