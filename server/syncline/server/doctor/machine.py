"""Folders and disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from syncline.server.config import Settings
from syncline.server.doctor.findings import Finding, State
from syncline.server.opening import sqlite_file

_GIB: Final = 1 << 30
_FREE_WARN: Final = 2 * _GIB
_FREE_FAIL: Final = _GIB // 4


def look_at_machine(settings: Settings) -> Iterator[Finding]:
    """What the server writes to and reads from."""
    folders = _written_folders(settings)
    for subject, folder in folders.items():
        yield _folder(subject, folder)
    for root in settings.file_roots:
        if not (root.is_dir() and os.access(root, os.R_OK | os.X_OK)):
            yield Finding("file_roots", State.WARN, f"{root} cannot be read", "make it, or take it out of file_roots")
    for folder in sorted({_existing(folder) for folder in folders.values()}):
        yield _disk(folder)


def _written_folders(settings: Settings) -> dict[str, Path]:
    folders = {}
    if (database := sqlite_file(settings.database_url)) is not None:
        folders["database folder"] = database.resolve().parent
    if settings.trace_file:
        folders["trace folder"] = Path(settings.trace_file).resolve().parent
    return folders


def _folder(subject: str, folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding(subject, State.FAIL, f"{folder} is not there", "make it, for the user that runs the server")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(subject, State.FAIL, f"{folder} cannot be written", "give it to the user that runs the server")
    return Finding(subject, State.OK, f"{folder} can be written")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / _GIB:,.1f} GiB free at {folder}"
    if free >= _FREE_WARN:
        return Finding("disk", State.OK, found)
    state = State.FAIL if free < _FREE_FAIL else State.WARN
    return Finding("disk", state, found, "make room: a full disk stops every write")
