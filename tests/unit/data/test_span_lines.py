"""Spans as lines: what is written is read again, and damage is found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from syncline.data.errors import DataError
from syncline.data.span_lines import (
    SPAN_LINE_BYTES_MAX,
    SpanEvent,
    SpanLine,
    SpanLink,
    decode_span_line,
    encode_span_line,
    span_line_head,
    trace_ids_on_line,
)
from syncline.data.telemetry import LINE_LEFT_OUT

TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "5d1f2f3577b34da6a3ce929d0e0e4736"
SHORT = SpanLine(TRACE, "00f067aa0ba902b7", None, "sync", "internal", 1, 2, "syncline-cli")
FULL = SpanLine(
    trace_id=TRACE,
    span_id="00f067aa0ba902b8",
    parent_span_id="00f067aa0ba902b7",
    name='page "1"\n',
    kind="client",
    start_ns=1_790_000_000_000_000_001,
    end_ns=1_790_000_000_000_000_002,
    service="syncline-sync",
    instance="1",
    status="error",
    status_message="ähm",
    attributes={"trace_id": OTHER, "count": 5, "share": 0.5, "yes": True, "names": ["a", "b"]},
    events=(SpanEvent("retry", 1_790_000_000_000_000_001, {"attempt": 2}),),
    links=(SpanLink(OTHER, "00f067aa0ba902b9"),),
)


@pytest.mark.parametrize("span", [SHORT, FULL], ids=["short", "full"])
def test_a_line_holds_all_of_a_span(span: SpanLine) -> None:
    line = encode_span_line(span)
    assert line.isascii()
    assert line.index(b"\n") == len(line) - 1
    assert decode_span_line(line) == span
    assert decode_span_line(line[:-1]) == span


def test_a_line_tells_its_traces_without_being_parsed() -> None:
    line = encode_span_line(FULL)
    assert span_line_head(line) == (TRACE, FULL.start_ns)
    assert trace_ids_on_line(line) == {TRACE.encode(), OTHER.encode()}
    assert span_line_head(line[1:]) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("span_id", "00F067AA0BA902B7"),
        ("span_id", 5),
        ("parent_span_id", ""),
        ("name", None),
        ("name", "\ud800"),
        ("kind", "other"),
        ("end_ns", "2"),
        ("end_ns", True),
        ("status", {}),
        ("attributes", []),
        ("events", [{"name": "retry"}]),
        ("links", [{"trace_id": TRACE}]),
        ("links", 5),
    ],
)
def test_what_is_no_span_is_refused(name: str, value: object) -> None:
    members = json.loads(encode_span_line(FULL))
    line = json.dumps(members | {name: value}, separators=(",", ":")).encode()
    with pytest.raises(DataError):
        decode_span_line(line)


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}", b"[]", b"\xff\xfe", b'{"trace_id":"5"}', encode_span_line(FULL)[:-20]]
)
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(DataError):
        decode_span_line(line)


def test_what_json_lacks_becomes_words() -> None:
    span = replace(SHORT, attributes={"a": float("nan"), "b": (1.0, float("inf")), "c": b"\x00", "d": "\ud800"})
    line = encode_span_line(span)
    assert decode_span_line(line).attributes == {"a": "nan", "b": [1.0, "inf"], "c": r"b'\x00'", "d": "\\ud800"}


def test_a_line_has_an_upper_length_and_says_what_it_left_out() -> None:
    long = replace(
        FULL, name="n" * SPAN_LINE_BYTES_MAX, attributes={"text": "x" * SPAN_LINE_BYTES_MAX}, links=FULL.links * 5_000
    )
    line = encode_span_line(long)
    assert len(line) <= SPAN_LINE_BYTES_MAX
    span = decode_span_line(line)
    assert list(span.attributes) == [LINE_LEFT_OUT]
    assert (span.span_id, span.parent_span_id, span.links[0]) == (FULL.span_id, FULL.parent_span_id, FULL.links[0])
