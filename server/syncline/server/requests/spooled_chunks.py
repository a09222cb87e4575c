"""A payload on its way from one request to another: on disk, with one chunk at a time in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, overload


class SpooledChunks(Sequence[bytes]):
    """Chunks in a file, as they were. Not for several threads at a time."""

    def __init__(self, file: BinaryIO, chunks: Iterable[bytes]) -> None:
        """Write the chunks to the file, which must be empty, and stay open for as long as they are read."""
        self._file = file
        self._ends = [0]
        for chunk in chunks:
            file.write(chunk)
            self._ends.append(self._ends[-1] + len(chunk))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[bytes]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        self._file.seek(self._ends[place])
        return self._file.read(self._ends[place + 1] - self._ends[place])
