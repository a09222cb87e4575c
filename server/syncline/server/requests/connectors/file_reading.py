"""Rows of files in batches, with a place to go on from after each."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncline.data.errors import DataError
from syncline.data.keys import KeyRule
from syncline.server.importing.conversion import row_converter
from syncline.server.importing.errors import BadLine, SourceError
from syncline.server.importing.key_digests import KeyDigests
from syncline.server.requests.connectors.contract import BadRow, Incoming, IncomingRow
from syncline.server.requests.connectors.file_sources import Files, TypedSource, connector_error
from syncline.storage.request_models import OnMatch

BATCH_ROWS: Final = 1_000
"""What the contract allows; bad rows count, so that a file of nothing else is told of bit by bit, too."""
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
"""Rows may have a megabyte each; a batch of them is one transaction."""

_CURSOR_AT_BEGINNING: Final = "{}"


def read_files(
    files: Files, cursor: str, *, nulls: Collection[str], on_match: OnMatch, stopped: Callable[[], bool]
) -> Iterator[Incoming]:
    """Give out the rows after the cursor, in the order of the files.

    A cursor of other files, or of these as they were before a change, begins at the beginning. The cursor of the last
    batch, which may be empty, finds nothing unless something changes.

    Raises:
        ConnectorError: the rest cannot be read.
    """
    place = _Place.of(cursor, files.identity)
    batch = _Batch(files.size_bytes, place.rows)
    begins_at = 0
    try:
        for index, typed in enumerate(files.sources):
            source = typed.source
            if index < place.entry:
                begins_at += source.size_bytes
                continue
            passed = place.line if index == place.entry else 0
            batch.stand_at(begins_at)
            for count, row in enumerate(_rows(typed, nulls, on_match), 1):
                if row.line > passed:
                    if batch.add(row, begins_at + source.bytes_read):
                        yield batch.take(_Place(index, row.line, batch.rows_before).cursor(files.identity))
                else:
                    # It was read for its key: a later line with the same one is a bad row.
                    batch.stand_at(begins_at + source.bytes_read)
                if count % BATCH_ROWS == 0 and stopped():
                    return
            begins_at += source.bytes_read
            batch.reach(begins_at)
    except SourceError as error:
        raise connector_error(error) from error
    end = _Place(len(files.sources), 0, batch.rows_before)
    yield batch.take(end.cursor(files.identity) if files.is_settled else _CURSOR_AT_BEGINNING, is_last=True)


def is_at_end(cursor: str, identity: str, files: int) -> bool:
    """Has the cursor passed all of so many files, which have not changed since?"""
    return _Place.of(cursor, identity).entry >= files


@dataclass(frozen=True, slots=True)
class _Place:
    """How far the files are read."""

    entry: int = 0
    """The file, from 0."""
    line: int = 0
    """The last row read begins on it."""
    rows: int = 0
    """Rows before it, in all files."""

    @classmethod
    def of(cls, cursor: str, identity: str) -> _Place:
        """The place that a cursor tells; the beginning, if it is of other files, or was made by somebody else."""
        try:
            told = json.loads(cursor) if cursor else {}
            if told["files"] == identity:
                return cls(int(told["entry"]), int(told["line"]), int(told["rows"]))
        except (ValueError, TypeError, KeyError):
            pass
        return cls()

    def cursor(self, identity: str) -> str:
        return json.dumps({"entry": self.entry, "line": self.line, "rows": self.rows, "files": identity})


def _rows(typed: TypedSource, nulls: Collection[str], on_match: OnMatch) -> Iterator[IncomingRow | BadRow]:
    """Give out each row of a file with its values converted, or what is wrong with it.

    Raises:
        SourceError: the file cannot be read any further, or its columns do not fit.
    """
    name = typed.kind.name
    convert = row_converter(typed.kind, typed.source, nulls)
    key_of = KeyRule(typed.kind).key_of
    seen = KeyDigests()
    for row in typed.source.read():
        if isinstance(row, BadLine):
            yield BadRow(name, row.reason, line=row.line)
            continue
        try:
            data = convert(row.values)
            key = key_of(data)
        except DataError as error:
            yield BadRow(name, error.rule, row.line, field=error.path, value=_value_at(row.values, error.path))
            continue
        if not seen.add(key):
            yield BadRow(name, "an earlier line has the same key", row.line, source_key=key, value=key)
            continue
        yield IncomingRow(name, data, "", on_match, False, row.line)


class _Batch:
    """Rows on their way to the runner. Positions are bytes from the beginning of the first file, uncompressed."""

    def __init__(self, size_bytes: int, rows_before: int) -> None:
        self._size_bytes = size_bytes
        self._rows: list[IncomingRow] = []
        self._bad_rows: list[BadRow] = []
        self._count = 0
        """Of both kinds of rows."""
        self._position = 0
        self._told_position = 0
        """As of the batch before."""
        self._rows_told = rows_before

    def add(self, row: IncomingRow | BadRow, position: int) -> bool:
        """Take a row that ends there; answers whether the batch is full with it."""
        if isinstance(row, BadRow):
            self._bad_rows.append(row)
        else:
            self._rows.append(row)
        self._count += 1
        self._position = position
        return self._count >= BATCH_ROWS or position - self._told_position >= BATCH_BYTES_MAX

    @property
    def rows_before(self) -> int:
        """Rows of all batches, this one included."""
        return self._rows_told + self._count

    def reach(self, position: int) -> None:
        """Note what was read without a row in it."""
        self._position = position

    def stand_at(self, position: int) -> None:
        """Begin behind what was told of by an earlier run, or by the batch before."""
        if not self._count:
            self._position = self._told_position = position

    def take(self, cursor: str, *, is_last: bool = False) -> Incoming:
        """The batch, which is empty afterwards."""
        taken = Incoming(
            rows=tuple(self._rows),
            cursor=cursor,
            bad_rows=tuple(self._bad_rows),
            bytes_read=self._position - self._told_position,
            estimate=self.rows_before if is_last else self._estimate(),
        )
        self._rows, self._bad_rows = [], []
        self._rows_told, self._count = self.rows_before, 0
        self._told_position = self._position
        return taken

    def _estimate(self) -> int:
        """Rows in all, if those to come are as long as those before."""
        if not self._size_bytes or not self._position:
            return 0
        return max(self.rows_before, self.rows_before * self._size_bytes // self._position)


def _value_at(values: Mapping[str, Any], path: str) -> str:
    value = values.get(path)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
