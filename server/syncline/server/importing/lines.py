"""The lines of a file, decoded one by one, so that a fault has a line number."""

from __future__ import annotations

import codecs
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import BinaryIO, Final

from syncline.server.importing.errors import SourceError
from syncline.server.importing.limits import LINE_BYTES_MAX

Opener = Callable[[], BinaryIO]
"""Opens the bytes of a file from their beginning; called once for each time that the file is read."""


_PIECE_BYTES: Final = 64 * 1024


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
                for piece in self._pieces(file):
                    yield from self._lines_of(piece)
        except OSError as error:
            raise SourceError(self._source, error.strerror or str(error)) from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise SourceError(self._source, f"the zip file is damaged: {error}", line=self.number) from error

    def _pieces(self, file: BinaryIO) -> Iterator[bytes]:
        """Give out the file in pieces of whole lines."""
        begun = b""
        while read := file.read(_PIECE_BYTES):
            whole = read.rfind(b"\n") + 1
            if len(begun) + (read.index(b"\n") + 1 if whole else len(read)) > LINE_BYTES_MAX:
                raise SourceError(
                    self._source, f"the line is longer than {LINE_BYTES_MAX:,} bytes", line=self.number + 1
                )
            if whole:
                yield begun + read[:whole]
                begun = read[whole:]
            else:
                begun += read
        if begun:
            yield begun

    def _lines_of(self, piece: bytes) -> Iterator[str]:
        """Give out the lines of a piece; decoded all at once if nothing is wrong with any."""
        if not self.number:
            bom = len(codecs.BOM_UTF8) if piece.startswith(codecs.BOM_UTF8) else 0
            self.bytes_read += bom
            piece = piece[bom:]
        text = None
        if b"\0" not in piece:
            with suppress(UnicodeDecodeError):
                text = piece.decode()
        if text is None:
            for raw in io.BytesIO(piece):
                self.number += 1
                self.bytes_read += len(raw)
                yield self._mended(raw)
            return
        is_ascii = len(text) == len(piece)
        for line in io.StringIO(text, newline="\n"):
            self.number += 1
            self.bytes_read += len(line) if is_ascii else len(line.encode())
            yield line

    def _mended(self, raw: bytes) -> str:
        """The line, which may be faulty."""
        if b"\0" in raw:
            self.faults[self.number] = "holds NUL"
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            self.faults[self.number] = f"is not UTF-8 at byte {error.start + 1}"
            return raw.decode(errors="replace")
