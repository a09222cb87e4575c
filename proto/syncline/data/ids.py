"""Names for what has none: UUIDs that sort by the time they were made."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_HIGH = ((1 << 12) - 1) << 64
_RANDOM_LOW = (1 << 62) - 1


def uuid7() -> UUID:
    """A new UUID of version 7 (RFC 9562): milliseconds since the Unix epoch, then 74 random bits."""
    random = int.from_bytes(os.urandom(10))
    milliseconds = (time.time_ns() // 1_000_000) & ((1 << 48) - 1)
    return UUID(int=milliseconds << 80 | _VERSION | random & _RANDOM_HIGH | _VARIANT | random & _RANDOM_LOW)
