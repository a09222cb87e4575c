"""UUIDs as callers write them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

UUID_RULE: Final = "must be a UUID such as 6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"
"""What is said of a text that is none."""


def uuid_of(text: str) -> UUID | None:
    """The UUID of a text in its usual form, letters of either case; None if it is none.

    `UUID` takes other forms, too.
    """
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
