"""How an import tells how far it has got."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

PROGRESS_ROWS: Final = 1_000
"""Progress is told once for as many rows."""


class Phase(Enum):
    """What is being done with a file."""

    INFERRING = "inferring"
    CHECKING = "checking"
    WRITING = "writing"


class Progress(Protocol):
    """Is told how far a phase has got; called in the thread that imports."""

    def __call__(self, phase: Phase, done: int, total: int, rows: int, /) -> None:
        """Take note. `done` of `total` are bytes of the file; while writing, rows. `rows` counts rows so far."""


def silent(_phase: Phase, _done: int, _total: int, _rows: int) -> None:
    """Progress that nobody looks at."""
