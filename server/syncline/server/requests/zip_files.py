"""Uploaded zip files: what one must be before it is stored.

A file is refused as a whole if anything in it could hurt (bombs, encryption, paths, archives inside), is not the rows
of one object type, or has columns that do not fit. Rows are not looked at: a bad one becomes a detail of the request.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import BinaryIO, Final, cast

from syncline.data.schema import ObjectType, Schema
from syncline.server.errors import PayloadInvalid
from syncline.server.importing.archives import entry_fault, is_bomb, is_litter
from syncline.server.importing.conversion import missing_columns, unknown_columns
from syncline.server.importing.errors import SourceError
from syncline.server.importing.limits import ARCHIVE_ENTRIES_MAX, ARCHIVE_RATIO_MAX
from syncline.server.importing.sources import open_source
from syncline.server.requests.zip_limits import DIRECTORY_BYTES_MAX, UNPACKED_BYTES_MAX

WHOLE_FILE: Final = "chunk"
"""The field that is named where the file as a whole offends."""

_SUFFIXES: Final = frozenset({".csv", ".jsonl", ".ndjson"})
_ARCHIVE_BEGINNINGS: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"7z\xbc\xaf\x27\x1c",
    b"\xfd7zXZ",
    b"Rar!",
)
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError, OSError)
"""What reading a mangled zip file may raise: a file in hand that cannot be sought or decoded is the file's fault."""


def check_zip(file: BinaryIO, size_bytes: int, schema: Schema, *, infers: bool = False) -> None:
    """Check a zip file of `size_bytes` bytes against the schema.

    `infers`: object types and columns that the schema lacks are to be taken in when the file is read.

    Raises:
        PayloadInvalid: it cannot be taken; names each entry with what is wrong about it.
    """
    try:
        with zipfile.ZipFile(cast(BinaryIO, _BoundedReads(file))) as archive:
            faults = _archive_faults(archive.infolist(), size_bytes) or _entries_faults(archive, schema, infers)
    except _BROKEN as error:
        raise PayloadInvalid([(WHOLE_FILE, f"is no zip file that can be read: {error}")]) from error
    if faults:
        raise PayloadInvalid(faults)


def nearest(name: str, known: Iterator[str] | list[str]) -> str:
    """The end of a sentence that suggests the known name nearest to this one; empty if none is near."""
    by_lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[found[0]]!r}?" if found else ""


class _BoundedReads:
    """A file of which nothing large is read at once: `zipfile` reads a table of contents of any size into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= DIRECTORY_BYTES_MAX else DIRECTORY_BYTES_MAX + 1)
        if len(data) > DIRECTORY_BYTES_MAX:
            raise zipfile.BadZipFile(f"its table of contents has more than {DIRECTORY_BYTES_MAX:,} bytes")
        return data


def _archive_faults(entries: list[zipfile.ZipInfo], size_bytes: int) -> list[tuple[str, str]]:
    """What is wrong with the file as a whole; looked at first, because each entry costs something."""
    if len(entries) > ARCHIVE_ENTRIES_MAX:
        return [(WHOLE_FILE, f"has {len(entries):,} entries; at most {ARCHIVE_ENTRIES_MAX:,} are taken")]
    total = sum(entry.file_size for entry in entries)
    if total > UNPACKED_BYTES_MAX:
        return [(WHOLE_FILE, f"unpacks to {total:,} bytes; at most {UNPACKED_BYTES_MAX:,} are taken")]
    if is_bomb(total, size_bytes):
        # Entries that share their compressed bytes are no bombs one by one.
        return [(WHOLE_FILE, f"unpacks to more than {ARCHIVE_RATIO_MAX} times its size")]
    return []


def _entries_faults(archive: zipfile.ZipFile, schema: Schema, infers: bool) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    for entry in archive.infolist():
        name = entry.orig_filename
        fault = _name_fault(name)
        if fault is None and is_litter(name):
            continue
        fault = fault or _kind_fault(entry)
        if fault is not None:
            faults.append((name, fault))
            continue
        type_name = PurePosixPath(name).stem
        if type_name in seen:
            faults.append((name, f"holds {type_name!r}, as {seen[type_name]!r} does; one file for each object type"))
            continue
        seen[type_name] = name
        faults.extend((name, fault) for fault in _content_faults(archive, entry, schema, infers))
    if not faults and not seen:
        faults.append((WHOLE_FILE, "has no files in it"))
    return faults


def _name_fault(name: str) -> str | None:
    """What makes the name one that could lead out of a directory. Nothing is ever unpacked under it all the same."""
    if "\0" in name:
        return "the name must not contain NUL"
    if "\\" in name:
        return "the name must not contain a backslash"
    if name.startswith("/") or name[1:2] == ":":
        return "the name must not be an absolute path"
    if ".." in name.split("/"):
        return "the name must not contain '..'"
    return None


def _kind_fault(entry: zipfile.ZipInfo) -> str | None:
    if "/" in entry.filename:
        return "must stand at the top of the zip file, not in a directory"
    fault = entry_fault(entry)
    if fault is None and PurePosixPath(entry.filename).suffix.lower() not in _SUFFIXES:
        fault = "must be named for its object type, with the ending .csv, .jsonl or .ndjson"
    return fault


def _content_faults(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, schema: Schema, infers: bool) -> Iterator[str]:
    type_name = PurePosixPath(entry.filename).stem
    kind = schema.object_type(type_name)
    if kind is None and not infers:
        known = [each.name for each in schema.object_types]
        yield f"there is no object type {type_name!r}{nearest(type_name, known)}"
        return
    if kind is not None and not kind.primary_key:
        yield f"the object type {type_name!r} has no primary key, so rows of a file cannot be told apart"
        return
    with archive.open(entry) as file:
        beginning = file.read(8)
    if beginning.startswith(_ARCHIVE_BEGINNINGS):
        yield "is an archive or compressed itself"
        return
    source = open_source(entry.filename, entry.file_size, lambda: cast(BinaryIO, archive.open(entry)))
    try:
        columns = source.columns()
    except SourceError as error:
        yield error.reason
        return
    if kind is not None and columns is not None:
        yield from _column_faults(kind, columns, infers)


def _column_faults(kind: ObjectType, columns: tuple[str, ...], infers: bool) -> Iterator[str]:
    fields = [field.name for field in kind.fields]
    unknown = [] if infers else unknown_columns(kind, columns)
    missing = missing_columns(kind, columns)
    for column in unknown:
        yield f"the object type {kind.name!r} has no field {column!r:.110}{nearest(column, fields)}"
    for what in missing:
        yield f"the {what} is missing"
    if unknown or missing:
        yield f"expected were columns of {_listed(fields)}; found were {_listed(columns)}"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(f"{name:.100}" for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN:,} more"


_NAMES_SHOWN: Final = 30
"""Names of a list that an error shows; a wide table would fill the whole answer."""
