"""Whether a file is still the one that was read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

FileState: TypeAlias = tuple[int, int, int]
"""Is another one once the file was changed, or another was put in its place."""


def file_state(path: Path) -> FileState | None:
    """The state of the file as it is now; None if it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
