"""The lines of a file, decoded one by one, so that a fault has a line number."""

from __future__ import annotations

import codecs
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import BinaryIO

from syncline.server.importing.errors import SourceError
from syncline.server.importing.limits import LINE_BYTES_MAX

Opener = Callable[[], BinaryIO]
"""Opens the bytes of a file from their beginning; called once for each time that the file is read."""


class Lines:
    """Reads a file line by line, as UTF-8 with or without a byte order mark.

    A line that is not UTF-8 or holds NUL is given out mended and noted in `faults`, because a reader of rows above
    may need it to find the end of the row.
    """

    def __init__(self, source: str, opener: Opener) -> None:
        self._source = source
        self._opener = opener
        self.number = 0
        """The line given out last, counted from 1."""
        self.bytes_read = 0
        self.faults: dict[int, str] = {}
        """What is wrong with lines given out so far; whoever has dealt with one takes it out."""

    def __iter__(self) -> Iterator[str]:
        """Give out the lines with their ends.

        Raises:
            SourceError: the file cannot be read, or a line is longer than LINE_BYTES_MAX.
        """
        try:
            with closing(self._opener()) as file:
                for raw in iter(partial(file.readline, LINE_BYTES_MAX + 1), b""):
                    self.number += 1
                    self.bytes_read += len(raw)
                    yield self._decode(raw)
        except OSError as error:
            raise SourceError(self._source, error.strerror or str(error)) from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise SourceError(self._source, f"the zip file is damaged: {error}", line=self.number) from error

    def _decode(self, raw: bytes) -> str:
        if len(raw) > LINE_BYTES_MAX:
            raise SourceError(self._source, f"the line is longer than {LINE_BYTES_MAX:,} bytes", line=self.number)
        if self.number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if b"\0" in raw:
            self.faults[self.number] = "holds NUL"
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            self.faults[self.number] = f"is not UTF-8 at byte {error.start + 1}"
            return raw.decode(errors="replace")
