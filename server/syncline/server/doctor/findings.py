"""What a look at something came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """A server runs, and something will go wrong or is missing."""
    FAIL = "fail"
    """A server does not start, or does not do its work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    found: str
    advice: str = ""
    """What to do; empty if there is nothing to do."""
