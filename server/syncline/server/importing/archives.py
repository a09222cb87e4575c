"""Zip files as sources. What could hurt (bombs, encryption, archives inside) is refused before anything is unpacked."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from syncline.server.importing.errors import SourceError
from syncline.server.importing.limits import (
    ARCHIVE_BYTES_MAX,
    ARCHIVE_ENTRIES_MAX,
    ARCHIVE_RATIO_FROM_BYTES,
    ARCHIVE_RATIO_MAX,
)
from syncline.server.importing.lines import Opener
from syncline.server.importing.sources import Source, open_path, open_source

_UNREADABLE_FLAGS = 0x1 | 0x20 | 0x40
"""Encrypted, patched data, strongly encrypted."""
_BUFFER_BYTES = 64 * 1024
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def open_sources(path: Path) -> list[Source]:
    """The sources in a file: itself, or the files in it if it is a zip file, in their order there.

    Raises:
        SourceError: it cannot be read, is of an unknown kind, or breaks a limit.
    """
    if path.suffix.lower() != ".zip":
        return [open_path(path)]
    return archive_sources(path, str(path))


def archive_sources(
    archive_file: Path | BinaryIO, name: str, open_entry: Callable[[str, int, Opener], Source] = open_source
) -> list[Source]:
    """The files in a zip file, in their order there.

    Args:
        archive_file: the zip file; one that is open stays so, and must while the sources are read.
        name: what errors call it; empty: the names of its entries stand for themselves.
        open_entry: makes the source of an entry, given its name, its size and how to open it.

    Raises:
        SourceError: it cannot be read, has a file of an unknown kind, or breaks a limit.
    """
    try:
        with zipfile.ZipFile(archive_file) as archive:
            entries = archive.infolist()
    except OSError as error:
        raise SourceError(name, error.strerror or str(error)) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError(name, f"is no zip file that can be read: {error}") from error
    files = [entry for entry in entries if not entry.is_dir() and not is_litter(entry.filename)]
    _check_entries(name, entries, files)
    return [open_entry(_full_name(name, entry), entry.file_size, _opener(archive_file, entry)) for entry in files]


def is_litter(name: str) -> bool:
    """Is it what macOS and editors leave in archives?"""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def entry_fault(entry: zipfile.ZipInfo) -> str | None:
    """Why this entry must not be unpacked; None: it may be."""
    if entry.flag_bits & _UNREADABLE_FLAGS:
        return "is encrypted or a patch"
    if PurePosixPath(entry.filename).suffix.lower() == ".zip":
        return "is a zip file inside a zip file"
    if entry.compress_type not in _COMPRESSIONS:
        return "is compressed by another method than deflate"
    if is_bomb(entry.file_size, entry.compress_size):
        return f"is more than {ARCHIVE_RATIO_MAX} times larger than its compressed form"
    return None


def is_bomb(size_bytes: int, compressed_bytes: int) -> bool:
    """Does it unpack to more than anybody's rows would?"""
    return size_bytes > ARCHIVE_RATIO_FROM_BYTES and size_bytes > ARCHIVE_RATIO_MAX * max(compressed_bytes, 1)


def _full_name(name: str, entry: zipfile.ZipInfo) -> str:
    return f"{name}/{entry.filename}" if name else entry.filename


def _opener(archive_file: Path | BinaryIO, entry: zipfile.ZipInfo) -> Opener:
    def open_entry() -> BinaryIO:
        # The entry keeps the archive's file open for as long as it needs it. By itself it takes lines apart in Python.
        with zipfile.ZipFile(archive_file) as archive:
            return io.BufferedReader(cast(io.RawIOBase, archive.open(entry)), _BUFFER_BYTES)

    return open_entry


def _check_entries(name: str, entries: list[zipfile.ZipInfo], files: list[zipfile.ZipInfo]) -> None:
    if len(entries) > ARCHIVE_ENTRIES_MAX:
        raise SourceError(name, f"has {len(entries):,} entries; at most {ARCHIVE_ENTRIES_MAX:,} are taken")
    if not files:
        raise SourceError(name, "has no files in it")
    total = sum(entry.file_size for entry in files)
    if total > ARCHIVE_BYTES_MAX:
        raise SourceError(name, f"unpacks to {total:,} bytes; at most {ARCHIVE_BYTES_MAX:,} are taken")
    seen: set[str] = set()
    for entry in files:
        if entry.filename in seen:
            raise SourceError(_full_name(name, entry), "stands twice in the zip file")
        seen.add(entry.filename)
        fault = entry_fault(entry)
        if fault is not None:
            raise SourceError(_full_name(name, entry), fault)
