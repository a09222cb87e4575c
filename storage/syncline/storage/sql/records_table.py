"""How rows of `record` are written: the order of the values in a tuple."""

from __future__ import annotations

RECORD_COLUMNS = (
    "object_type",
    "record_key",
    "scope",
    "bucket",
    "revision",
    "entered_revision",
    "deleted",
    "frame",
    "data_hash",
    "modified_at",
)
"""The values of a row in the order in which the write path makes them; the account comes before them."""

REPLACED_COLUMNS = RECORD_COLUMNS[2:]
"""Those that a write replaces: all but the key."""
