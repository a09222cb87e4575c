"""How rows of `upload_receipt` are written: the order of the values in a tuple."""

from __future__ import annotations

RECEIPT_COLUMNS = ("change_seq", "change_uuid", "payload_hash", "verdict", "revision", "refusal")
"""The values of a row. Account and device come before them, `decided_at` after them: all rows of a call have the same.
The UUID stands in 16 bytes."""
