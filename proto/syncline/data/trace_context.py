"""The W3C trace context as text, `00-<trace id>-<span id>-01`: always that of a sampled span, for no other is kept."""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)


def encode(trace_id: int, span_id: int) -> str:
    """The text of a sampled span: 55 characters."""
    return f"00-{trace_id:032x}-{span_id:016x}-01"


def decode(text: str) -> tuple[int, int] | None:
    """The ids of trace and span; None if the text is none, or an id is 0."""
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    trace_id, span_id = int(match[1], 16), int(match[2], 16)
    return (trace_id, span_id) if trace_id and span_id else None
