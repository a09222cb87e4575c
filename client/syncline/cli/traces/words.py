"""Times, durations and attributes of spans in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from syncline.cli.output import local_time, printable
from syncline.data.span_lines import SpanLine
from syncline.data.telemetry import (
    DB_COLLECTION_NAME,
    DB_OPERATION_NAME,
    DB_SYSTEM_NAME,
    ERROR_TYPE,
    RPC_METHOD,
    RPC_SERVICE,
    RPC_STATUS_CODE,
    RPC_SYSTEM,
)

SHORT_ID = 16
"""So many digits of a trace id are shown where there is little room; they tell any two apart."""

_VALUE_LENGTH_MAX = 80
_MEMBERS_MAX = 4
_EVENTS_MAX = 8
# What the name of the span says already, or its error, or what every span has.
_COMMON = frozenset(
    {RPC_SYSTEM, RPC_SERVICE, RPC_METHOD, DB_SYSTEM_NAME, DB_OPERATION_NAME, DB_COLLECTION_NAME, ERROR_TYPE}
)
_OK = (RPC_STATUS_CODE, 0)


def duration(ns: int) -> str:
    """A duration with three digits or so."""
    if ns < 1_000_000:
        return f"{max(ns, 0) / 1e3:.0f} µs"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:.1f} ms"
    if ns < 60_000_000_000:
        return f"{ns / 1e9:.2f} s"
    minutes, seconds = divmod(ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours else f"{minutes} m {seconds:02} s"


def start_time(ns: int) -> str:
    """A start, here, to the second."""
    return local_time(max(ns, 0) // 1000)


def key_attributes(span: SpanLine) -> str:
    """What tells this span from others of its name, on one line; empty if nothing does."""
    words = [
        f"{printable(name.removeprefix('syncline.'))}={_value(value)}"
        for name, value in span.attributes.items()
        if name not in _COMMON and (name, value) != _OK
    ]
    return "  ".join(words)


def error_message(span: SpanLine) -> str:
    """Why the span failed; empty if it did not."""
    if span.status != "error":
        return ""
    raised = (event.attributes for event in span.events if event.name == "exception")
    thrown = next((f"{a.get('exception.type', 'exception')}: {a.get('exception.message', '')}" for a in raised), "")
    return printable(
        " ".join((span.status_message or thrown or str(span.attributes.get(ERROR_TYPE, "failed"))).split())
    )


def event_lines(span: SpanLine) -> Iterator[str]:
    """What happened while the span ran, besides what `error_message` tells."""
    events = [event for event in span.events if event.name != "exception" or span.status != "error"]
    for event in events[:_EVENTS_MAX]:
        attributes = "".join(
            f"  {printable(name.removeprefix('syncline.'))}={_value(value)}"
            for name, value in event.attributes.items()
            if name != "exception.stacktrace"
        )
        yield f"+{duration(event.time_ns - span.start_ns)} {printable(event.name)}{attributes}"
    if len(events) > _EVENTS_MAX:
        yield f"{len(events) - _EVENTS_MAX:,} more events"


def _value(value: Any) -> str:
    if isinstance(value, list):
        shown = ",".join(_value(each) for each in value[:_MEMBERS_MAX])
        return f"[{shown},… {len(value):,} in all]" if len(value) > _MEMBERS_MAX else f"[{shown}]"
    text = printable(str(value))
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[: _VALUE_LENGTH_MAX - 1]}…"
