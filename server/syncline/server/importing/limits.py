"""How much of a file is taken."""

from __future__ import annotations

from typing import Final

LINE_BYTES_MAX: Final = 4_000_000
"""One line of a file. A CSV cell has at most 131,072 characters besides (the csv module's own limit)."""
COLUMNS_MAX: Final = 500

ARCHIVE_ENTRIES_MAX: Final = 1_000
ARCHIVE_BYTES_MAX: Final = 16 * 1024**3
"""All entries of a zip file together, uncompressed."""
ARCHIVE_RATIO_MAX: Final = 200
"""How many times larger than its compressed form an entry may be, once it is larger than ARCHIVE_RATIO_FROM_BYTES."""
ARCHIVE_RATIO_FROM_BYTES: Final = 1024**2

BATCH_ROWS: Final = 1_000
"""Rows written in one transaction."""
BAD_LINES_KEPT: Final = 20
"""Bad lines that are kept for the report; more are only counted."""
