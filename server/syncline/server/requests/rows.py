"""From a row of a connected system to what a store takes: a record, or a detail that says what is wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.errors import DataError
from syncline.data.fields import check_record
from syncline.data.keys import KeyRule, check_key
from syncline.data.schema import ObjectType, Schema
from syncline.server.plain_fields import plain_rules
from syncline.server.requests.connectors.contract import BadRow, IncomingRow
from syncline.server.requests.row_images import plain_images
from syncline.storage.request_models import DETAIL_VALUE_CHARS_MAX, Detail, RowBatch, Severity, SourceRow

_TEXT_CHARS_MAX: Final = 500
"""A longer reason or name in a detail is cut: it is for people."""


class ReadRows(NamedTuple):
    """What a batch of rows came to; the fields are those of a `RowBatch`."""

    rows: tuple[SourceRow, ...]
    deleted_keys: tuple[tuple[str, str], ...]
    details: tuple[Detail, ...]
    failed: Mapping[str, int]

    def batch(self, number: int, *, cursor: str, read: int, bytes_read: int, estimate: int, now: int) -> RowBatch:
        """The batch of this number that writes them; the arguments are fields of a `RowBatch`."""
        return RowBatch(
            number=number,
            rows=self.rows,
            deleted_keys=self.deleted_keys,
            details=self.details,
            failed=self.failed,
            cursor=cursor,
            read=read,
            bytes=bytes_read,
            estimate=estimate,
            now=now,
        )


class RowReader:
    """Reads rows by one schema; prepared once, used for each row."""

    def __init__(self, schema: Schema) -> None:
        self._kinds = {kind.name: kind for kind in schema.object_types}
        self._readers: dict[str, _TypeReader] = {}

    def read_all(self, rows: Sequence[IncomingRow], bad_rows: Iterable[BadRow] = ()) -> ReadRows:
        """Each row as the record that it is, or as the detail that says what is wrong; so for the bad rows."""
        good: list[SourceRow] = []
        deleted: dict[tuple[str, str], None] = {}
        details = [bad_detail(bad) for bad in bad_rows]
        for row, image in zip(rows, self._plain_images(rows), strict=True):
            try:
                if row.deleted:
                    deleted[self._deleted_key(row)] = None
                    continue
                read = self._reader(row.object_type).read(row, image)
            except DataError as error:
                details.append(refused(row if row.deleted else row._replace(source_key=self._source_key(row)), error))
                continue
            good.append(read)
            if deleted:
                # Stores take the rows first, then what is deleted: a row that came back must not go again.
                deleted.pop((read.object_type, read.source_key), None)
        failed = Counter(detail.object_type for detail in details)
        return ReadRows(tuple(good), tuple(deleted), tuple(details), failed)

    def _plain_images(self, rows: Sequence[IncomingRow]) -> Iterator[bytes | None]:
        """The canonical data of each row, the quick way, which nearly all take; None: it must be looked at closely."""
        plain = [self._plain_data(row) for row in rows]
        images = iter(plain_images([data for data in plain if data is not None]))
        return (None if data is None else next(images) for data in plain)

    def _plain_data(self, row: IncomingRow) -> Mapping[str, Any] | None:
        kind = self._kinds.get(row.object_type)
        return None if kind is None or row.deleted else self._reader(row.object_type).plain_data(row.data)

    def _reader(self, object_type: str) -> _TypeReader:
        reader = self._readers.get(object_type)
        if reader is None:
            kind = self._kinds.get(object_type)
            if kind is None:
                raise DataError("", f"the schema has no object type {object_type!r:.100}")
            reader = self._readers[object_type] = _TypeReader(kind)
        return reader

    def _source_key(self, row: IncomingRow) -> str:
        """What the source knows a refused row by: as in `_TypeReader.read`; empty if that cannot be said."""
        if row.source_key:
            return row.source_key
        try:
            return self._reader(row.object_type).key_of(row.data)
        except DataError:
            return ""

    def _deleted_key(self, row: IncomingRow) -> tuple[str, str]:
        self._reader(row.object_type)
        check_key(row.source_key, "source_key")
        return row.object_type, row.source_key


class _TypeReader:
    """Reads rows of one object type."""

    def __init__(self, kind: ObjectType) -> None:
        self._kind = kind
        self._plain = plain_rules(kind)
        self._required = tuple(field.name for field in kind.fields if field.required)
        self._keys = KeyRule(kind) if kind.primary_key else None

    def read(self, row: IncomingRow, image: bytes | None) -> SourceRow:
        """The record that the row is; `image`: its canonical data, if that is known already."""
        name, data, source_key = self._kind.name, row.data, row.source_key
        if image is None:
            check_record(self._kind, data)
            image = canonical_bytes(data)
        if source_key:
            check_key(source_key, "source_key")
        if self._keys is not None:
            key = self._keys.key_of(data)
        elif source_key:
            key = source_key  # a type without a primary key: whoever creates the record names it
        else:
            raise DataError("source_key", f"the object type {name!r} has no primary key, so the row must bring a key")
        return SourceRow(name, key, source_key or key, data_hash(image), image, row.on_match)

    def key_of(self, data: Mapping[str, Any]) -> str:
        """The record's key; empty if the type has no primary key."""
        return "" if self._keys is None else self._keys.key_of(data)

    def plain_data(self, data: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The data without nulls, if it fits the type and its values are plain; None: it must be looked at closely."""
        plain = self._plain
        has_null = False
        try:
            for name, value in data.items():
                kind, check = plain[name]
                if value is None:
                    has_null = True
                elif (kind is not None and type(value) is not kind) or (check is not None and not check(value)):
                    return None
            for name in self._required:
                if data[name] is None:
                    return None
        except KeyError:
            return None
        return {name: value for name, value in data.items() if value is not None} if has_null else data


def refused(row: IncomingRow, error: DataError) -> Detail:
    """The detail of a row that breaks a rule."""
    field = error.path
    value = row.source_key if field == "source_key" else _value_at(row.data, field)
    return _detail(row.object_type, row.line, row.source_key, field, error.rule, value)


def bad_detail(bad: BadRow) -> Detail:
    """The detail of a row that the connector itself could not take."""
    return _detail(bad.object_type, bad.line, bad.source_key, bad.field, bad.reason, bad.value)


def _detail(object_type: str, line: int, source_key: str, field: str, reason: str, value: str) -> Detail:
    return Detail(
        severity=Severity.ERROR,
        object_type=object_type[:_TEXT_CHARS_MAX],
        line=line,
        source_key=source_key[:_TEXT_CHARS_MAX],
        field=field[:_TEXT_CHARS_MAX],
        reason=reason[:_TEXT_CHARS_MAX],
        value=value[:DETAIL_VALUE_CHARS_MAX],
    )


def _value_at(data: Mapping[str, Any], path: str) -> str:
    """The value of the field that the path begins with, as text; empty if there is none."""
    value = data.get(path)
    if value is None:
        value = data.get(re.split(r"[.\[]", path, maxsplit=1)[0])
    if value is None or isinstance(value, str):
        return value or ""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):  # holds itself, has names that are no text, or nests for ever
        return f"a value of type {type(value).__name__}"
