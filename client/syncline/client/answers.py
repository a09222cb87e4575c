"""What a handler answers for an item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from syncline.client.items import Data, Meta


class Ack(Enum):
    """Does the application have the item?"""

    ACK = "ack"
    """It is stored durably, or of no interest. It does not come again unless it changes."""
    NACK = "nack"
    """It cannot be taken. It comes again in the next session; after five sessions it is parked."""


@dataclass(frozen=True, slots=True)
class Nack:
    """`Ack.NACK` with a reason for people, of which 500 characters are kept."""

    reason: str


Answer = Ack | Nack

Handler = Callable[[Meta, Data | None], Answer]
"""Gets an item, stores it and answers. Data is None if the record is to be deleted."""

AsyncHandler = Callable[[Meta, Data | None], Answer | Awaitable[Answer]]
"""A handler that may be a coroutine function, too."""
