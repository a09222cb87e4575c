"""Spans as lines of JSON: what `SYNCLINE_TRACE_FILE` is written in and `syncline trace` reads.

A line begins with the trace id and the start, always in the form `{"trace_id":"…","start_ns":…,`: a reader can pick
lines without parsing them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

from syncline.data.errors import DataError
from syncline.data.telemetry import LINE_LEFT_OUT

SPAN_LINE_BYTES_MAX = 256 * 1024
"""A line, with its end, is no longer. What would be is written without attributes and events."""

_LINKS_OF_LONG_LINE_MAX = 32

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]

_KINDS = get_args(SpanKind)
_STATUSES = get_args(SpanStatus)
_HEAD = re.compile(rb'\{"trace_id":"([0-9a-f]{32})","start_ns":(\d{1,19}),')
_TRACE_IDS = re.compile(rb'"trace_id":"([0-9a-f]{32})"')
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class SpanLink:
    """What a span points at: a span of any trace."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened while a span ran."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanLine:
    """One ended span. Ids are lower-case hexadecimal digits, 32 of a trace and 16 of a span, as in `traceparent`."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    """None: the root of its trace."""
    name: str
    kind: SpanKind
    start_ns: int
    """Since the Unix epoch."""
    end_ns: int
    service: str
    """`service.name` of the process that made the span."""
    instance: str = ""
    """`service.instance.id` of it; empty if it has none."""
    status: SpanStatus = "unset"
    status_message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()


def encode_span_line(span: SpanLine) -> bytes:
    """One span as a line, with its end: ASCII, at most SPAN_LINE_BYTES_MAX bytes."""
    line = _encode(span)
    if len(line) <= SPAN_LINE_BYTES_MAX:
        return line
    return _encode(
        replace(
            span,
            name=span.name[:1000],
            service=span.service[:1000],
            instance=span.instance[:1000],
            status_message=span.status_message[:1000],
            attributes={LINE_LEFT_OUT: "attributes, events, links beyond 32"},
            events=(),
            links=span.links[:_LINKS_OF_LONG_LINE_MAX],
        )
    )


def decode_span_line(line: bytes) -> SpanLine:
    """Read one line, with or without its end.

    Raises:
        DataError: it is no span, or not all of one.
    """
    if _HEAD.match(line) is None:
        raise DataError("", "is no line of a span")
    try:
        members = json.loads(line)
        if b"\\ud" in line:  # half of a surrogate pair is no text
            json.dumps(members, ensure_ascii=False).encode()
        return _decode(members)
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError("", "is no line of a span") from error


def span_line_head(line: bytes) -> tuple[str, int] | None:
    """Trace id and start of a line, without parsing it; None if it is none."""
    head = _HEAD.match(line)
    return None if head is None else (head[1].decode(), int(head[2]))


def trace_ids_on_line(line: bytes) -> set[bytes]:
    """The ids of the traces that the line may name, its own and those it links to, without parsing it."""
    return set(_TRACE_IDS.findall(line))


def _encode(span: SpanLine) -> bytes:
    members: dict[str, Any] = {"trace_id": span.trace_id, "start_ns": span.start_ns, "end_ns": span.end_ns}
    members["span_id"] = span.span_id
    if span.parent_span_id is not None:
        members["parent_span_id"] = span.parent_span_id
    members |= {"name": span.name, "kind": span.kind, "service": span.service}
    if span.instance:
        members["instance"] = span.instance
    if span.status != "unset":
        members["status"] = span.status
    if span.status_message:
        members["status_message"] = span.status_message
    if span.attributes:
        members["attributes"] = _plain(span.attributes)
    if span.events:
        members["events"] = [
            {"name": event.name, "time_ns": event.time_ns, "attributes": _plain(event.attributes)}
            for event in span.events
        ]
    if span.links:
        members["links"] = [{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links]
    return json.dumps(members, separators=(",", ":"), default=str).encode() + b"\n"


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in attributes.items()}


def _plain_value(value: Any) -> Any:
    """A value that JSON and UTF-8 have: numbers that are not finite and lone surrogates become words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_plain_value(each) for each in value]
    return value


def _decode(members: dict[str, Any]) -> SpanLine:
    parent = members.get("parent_span_id")
    return SpanLine(
        trace_id=_id(members["trace_id"], _TRACE_ID),
        span_id=_id(members["span_id"], _SPAN_ID),
        parent_span_id=None if parent is None else _id(parent, _SPAN_ID),
        name=_text(members["name"]),
        kind=cast("SpanKind", _one_of(members["kind"], _KINDS)),
        start_ns=_whole(members["start_ns"]),
        end_ns=_whole(members["end_ns"]),
        service=_text(members["service"]),
        instance=_text(members.get("instance", "")),
        status=cast("SpanStatus", _one_of(members.get("status", "unset"), _STATUSES)),
        status_message=_text(members.get("status_message", "")),
        attributes=dict(members.get("attributes", {}).items()),
        events=tuple(
            SpanEvent(_text(event["name"]), _whole(event["time_ns"]), dict(event["attributes"].items()))
            for event in members.get("events", ())
        ),
        links=tuple(
            SpanLink(_id(link["trace_id"], _TRACE_ID), _id(link["span_id"], _SPAN_ID))
            for link in members.get("links", ())
        ),
    )


def _id(value: Any, form: re.Pattern[str]) -> str:
    if form.fullmatch(value) is None:
        raise DataError("", "has an id of another form")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DataError("", "has no text where one belongs")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError("", "has no whole number where one belongs")
    return value


def _one_of(value: Any, values: tuple[str, ...]) -> str:
    if value not in values:
        raise DataError("", f"has {str(value)[:40]!r} where one of {', '.join(values)} belongs")
    return str(value)
