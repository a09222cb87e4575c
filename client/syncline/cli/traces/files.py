"""The lines of a trace file and of the one that was put aside when it was full, while processes go on writing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from syncline.data.span_lines import SPAN_LINE_BYTES_MAX


class TraceFiles:
    """`FILE` and `FILE.1`, as they were when they were opened: every pass sees the same lines."""

    def __init__(self, file: Path) -> None:
        """Open them.

        Raises:
            OSError: there is none, or one cannot be read.
        """
        self._parts: list[tuple[BinaryIO, int]] = []
        seen: set[tuple[int, int]] = set()
        with ExitStack() as opened:
            # In this order a file that is put aside in between comes twice, not never.
            for path in (file, file.with_name(f"{file.name}.1")):
                try:
                    part = opened.enter_context(path.open("rb"))
                except FileNotFoundError:
                    continue
                facts = os.fstat(part.fileno())
                if (facts.st_dev, facts.st_ino) not in seen:
                    seen.add((facts.st_dev, facts.st_ino))
                    self._parts.insert(0, (part, facts.st_size))
            if not self._parts:
                raise FileNotFoundError(f"there is no trace file {file}")
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._opened.close()

    def lines(self) -> Iterator[bytes]:
        """All whole lines, oldest file first. What is no line of text, or too long for one, is passed over."""
        for part, size in self._parts:
            part.seek(0)
            left, whole = size, True
            while left > 0 and (line := part.readline(min(left, SPAN_LINE_BYTES_MAX))):
                left -= len(line)
                ends = line.endswith(b"\n")
                if whole and ends:
                    yield line
                whole = ends
