"""How rows of `record` are written: the order of the values in a tuple."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID


class Writer(NamedTuple):
    """Who writes the rows of a call: all of them have the same. The values come after those of `RECORD_COLUMNS`."""

    written_by: UUID | None
    trace_context: str | None


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
"""The values of a row in the order in which the write path makes them. The account comes before them, the values of
the `Writer` after them."""

ON_KNOWN_RECORD = "ON CONFLICT (account_id, object_type, record_key) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in (*RECORD_COLUMNS[2:], *Writer._fields)
)
"""Of an insert: a record that is there is replaced, all but its key."""
