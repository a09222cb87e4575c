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
    "created_by",
)
"""The values of a row in the order in which the write path makes them. The account comes before them, `written_by`
and `trace_context` after them: all rows of a call have the same."""

REPLACED_COLUMNS = (*RECORD_COLUMNS[2:], "written_by", "trace_context")
"""Those that a write replaces: all but the key."""
