"""Files as rows: CSV and JSON lines, by themselves or in a zip file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, Final, NamedTuple, Protocol

from syncline.data.errors import DataError
from syncline.data.parsing import parse_object
from syncline.server.importing.errors import BadLine, SourceError
from syncline.server.importing.limits import COLUMNS_MAX
from syncline.server.importing.lines import Lines, Opener

_CELL_CHARS_MAX: Final = csv.field_size_limit()


class Row(NamedTuple):
    """One row of a file. A tuple: millions of them are made."""

    line: int
    """The line that it begins on, counted from 1."""
    values: Mapping[str, Any]
    """By column."""


class Source(Protocol):
    """A file whose rows can be read, more than once."""

    name: str
    size_bytes: int

    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns, if all rows share them: their values are text, whose meaning the object type says.

        None: each row is a JSON object with names of its own.

        Raises:
            SourceError: the names are missing or not distinct.
        """

    def read(self) -> Iterator[Row | BadLine]:
        """Give out each row, or why there is none on this line.

        Raises:
            SourceError: the file cannot be read any further.
        """

    @property
    def bytes_read(self) -> int:
        """How far the reading begun last has got."""


class _LineSource:
    """What the kinds of source have in common."""

    def __init__(self, name: str, size_bytes: int, opener: Opener) -> None:
        self.name = name
        self.size_bytes = size_bytes
        self._opener = opener
        self._lines = Lines(name, opener)

    @property
    def bytes_read(self) -> int:
        """How far the reading begun last has got."""
        return self._lines.bytes_read

    def _begin(self) -> Lines:
        self._lines = Lines(self.name, self._opener)
        return self._lines


class CsvSource(_LineSource):
    """Comma-separated values (RFC 4180) under one line with the names of the columns. Empty lines are left out.

    Another `delimiter` than the comma makes it values that are separated by that.
    """

    def __init__(self, name: str, size_bytes: int, opener: Opener, *, delimiter: str = ",") -> None:
        super().__init__(name, size_bytes, opener)
        self._delimiter = delimiter
        self._dialect = csv.reader((), delimiter=delimiter, strict=True).dialect

    def columns(self) -> tuple[str, ...]:
        """The names of the columns.

        Raises:
            SourceError: there are none, or they are not distinct.
        """
        lines = Lines(self.name, self._opener)
        return self._header(lines, iter(lines))

    def read(self) -> Iterator[Row | BadLine]:
        """Give out each row, or why there is none on this line.

        Raises:
            SourceError: the file cannot be read any further.
        """
        lines = self._begin()
        texts = iter(lines)
        columns = self._header(lines, texts)
        width = len(columns)
        for text in texts:
            line = lines.number
            try:
                cells = self._cells(text, texts)
            except csv.Error as error:
                lines.faults.clear()
                yield BadLine(line, f"is no CSV: {error}")
                continue
            if lines.faults:
                yield _fault(line, lines)
            elif len(cells) == width:
                yield Row(line, dict(zip(columns, cells, strict=True)))
            elif cells:
                yield BadLine(line, f"has {len(cells)} cells; the first line names {width} columns")

    def _cells(self, text: str, following: Iterator[str]) -> list[str]:
        """The cells of the row that begins with this line, and ends with it or with one of those that follow."""
        if '"' not in text and len(text) <= _CELL_CHARS_MAX:
            whole = text.rstrip("\r\n")
            if "\r" not in whole:
                return whole.split(self._delimiter) if whole else []
        return next(csv.reader(chain((text,), following), self._dialect))

    def _header(self, lines: Lines, texts: Iterator[str]) -> tuple[str, ...]:
        columns: list[str] = []
        try:
            for text in texts:
                columns = self._cells(text, texts)
                break
        except csv.Error as error:
            raise SourceError(self.name, f"is no CSV: {error}", line=1) from None
        if not columns:
            raise SourceError(self.name, "has no line with the names of the columns", line=lines.number)
        if lines.faults:
            raise SourceError(self.name, _fault(1, lines).reason, line=1)
        if len(columns) > COLUMNS_MAX:
            raise SourceError(self.name, f"has {len(columns):,} columns; at most {COLUMNS_MAX} are taken", line=1)
        for index, column in enumerate(columns):
            if not column:
                raise SourceError(self.name, f"column {index + 1} has no name", line=1)
            if column in columns[:index]:
                raise SourceError(self.name, f"two columns are named {column!r}", line=1)
        return tuple(columns)


class JsonLinesSource(_LineSource):
    """One JSON object on each line. Empty lines are left out."""

    def columns(self) -> None:
        """None: each row has names of its own."""

    def read(self) -> Iterator[Row | BadLine]:
        """Give out each row, or why there is none on this line.

        Raises:
            SourceError: the file cannot be read any further.
        """
        lines = self._begin()
        for text in lines:
            if lines.faults:
                yield _fault(lines.number, lines)
            elif not text.isspace():
                yield _parse_line(lines.number, text)


def open_source(name: str, size_bytes: int, opener: Opener) -> Source:
    """The source for a file, chosen by the ending of its name: `.csv`, or `.jsonl` and `.ndjson`.

    Raises:
        SourceError: it is none of these.
    """
    match PurePath(name).suffix.lower():
        case ".csv":
            return CsvSource(name, size_bytes, opener)
        case ".jsonl" | ".ndjson":
            return JsonLinesSource(name, size_bytes, opener)
        case _:
            raise SourceError(name, "the name of a file to import ends in .csv, .jsonl, .ndjson or .zip")


def open_path(path: Path) -> Source:
    """The source for a file on disk that is no zip file.

    Raises:
        SourceError: it is not there, or of an unknown kind.
    """
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise SourceError(str(path), error.strerror or str(error)) from error
    return open_source(str(path), size_bytes, lambda: path.open("rb"))


def _parse_line(number: int, text: str) -> Row | BadLine:
    try:
        return Row(number, parse_object(text.encode()))
    except DataError as error:
        return BadLine(number, str(error))


def _fault(line: int, lines: Lines) -> BadLine:
    """What is wrong with the row that begins on `line` and ends on the line read last; it is dealt with."""
    number, reason = next(iter(lines.faults.items()))
    lines.faults.clear()
    return BadLine(line, reason if number == line else f"{reason} (on line {number})")
