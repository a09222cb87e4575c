"""Zip files as sources. What could hurt (bombs, encryption, archives inside) is refused before anything is unpacked."""

from __future__ import annotations

import zipfile
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
_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def open_sources(path: Path) -> list[Source]:
    """The sources in a file: itself, or the files in it if it is a zip file, in their order there.

    Raises:
        SourceError: it cannot be read, is of an unknown kind, or breaks a limit.
    """
    if path.suffix.lower() != ".zip":
        return [open_path(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except OSError as error:
        raise SourceError(str(path), error.strerror or str(error)) from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise SourceError(str(path), f"is no zip file that can be read: {error}") from error
    files = [entry for entry in entries if not entry.is_dir() and not _is_litter(entry.filename)]
    _check_entries(path, entries, files)
    return [open_source(f"{path}/{entry.filename}", entry.file_size, _opener(path, entry)) for entry in files]


def _opener(path: Path, entry: zipfile.ZipInfo) -> Opener:
    def open_entry() -> BinaryIO:
        # The entry keeps the archive's file open for as long as it needs it.
        with zipfile.ZipFile(path) as archive:
            return cast(BinaryIO, archive.open(entry))

    return open_entry


def _is_litter(name: str) -> bool:
    """What macOS and editors leave in archives."""
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], files: list[zipfile.ZipInfo]) -> None:
    if len(entries) > ARCHIVE_ENTRIES_MAX:
        raise SourceError(str(path), f"has {len(entries):,} entries; at most {ARCHIVE_ENTRIES_MAX:,} are taken")
    if not files:
        raise SourceError(str(path), "has no files in it")
    total = sum(entry.file_size for entry in files)
    if total > ARCHIVE_BYTES_MAX:
        raise SourceError(str(path), f"unpacks to {total:,} bytes; at most {ARCHIVE_BYTES_MAX:,} are taken")
    seen: set[str] = set()
    for entry in files:
        name = f"{path}/{entry.filename}"
        if entry.filename in seen:
            raise SourceError(name, "stands twice in the zip file")
        seen.add(entry.filename)
        if entry.flag_bits & _UNREADABLE_FLAGS:
            raise SourceError(name, "is encrypted or a patch")
        if PurePosixPath(entry.filename).suffix.lower() == ".zip":
            raise SourceError(name, "is a zip file inside a zip file")
        if entry.compress_type not in _COMPRESSIONS:
            raise SourceError(name, "is compressed by another method than deflate")
        if _is_bomb(entry):
            raise SourceError(name, f"is more than {ARCHIVE_RATIO_MAX} times larger than its compressed form")


def _is_bomb(entry: zipfile.ZipInfo) -> bool:
    large = entry.file_size > ARCHIVE_RATIO_FROM_BYTES
    return large and entry.file_size > ARCHIVE_RATIO_MAX * max(entry.compress_size, 1)
