"""Why a file, or a line of it, cannot be imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be taken."""

    line: int
    """Counted from 1; of a row that spans lines, the first."""
    reason: str


class SourceError(Exception):
    """A file as a whole cannot be read any further.

    Attributes:
        source: The name of the file.
        line: The line that is wrong; 0 if none is to blame.
        reason: What is wrong, in words.
    """

    def __init__(self, source: str, reason: str, *, line: int = 0) -> None:
        super().__init__(f"{source}:{line}: {reason}" if line else f"{source}: {reason}")
        self.source = source
        self.line = line
        self.reason = reason


class ImportRefused(Exception):
    """A file has bad lines, and nothing of it was written.

    Attributes:
        source: The name of the file.
        bad_lines: The first of them.
        count: How many there are.
    """

    def __init__(self, source: str, bad_lines: tuple[BadLine, ...], count: int) -> None:
        super().__init__(f"{source}: {count:,} bad lines, the first is line {bad_lines[0].line}: {bad_lines[0].reason}")
        self.source = source
        self.bad_lines = bad_lines
        self.count = count
