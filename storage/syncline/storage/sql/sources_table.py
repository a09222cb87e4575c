"""How rows of `record_source` are written: the order of the values in a tuple."""

from __future__ import annotations

SOURCE_COLUMNS = ("object_type", "source_key", "record_key", "source_hash", "source_image")
"""The values of a row. Account and enrollment come before them, `seen_by` after them: all rows of a call have the
same."""

ON_KNOWN_SOURCE = (
    "ON CONFLICT (account_id, enrollment_id, object_type, source_key) DO UPDATE SET "
    "record_key = excluded.record_key, source_hash = excluded.source_hash, source_image = excluded.source_image, "
    "seen_by = excluded.seen_by"
)
