"""Which keys a file has had so far, in little memory."""

from __future__ import annotations

from array import array
from typing import Final

_SLOTS_AT_FIRST: Final = 1024
_BITS: Final = 2**64 - 1


class KeyDigests:
    """A set of keys that keeps 64 bits of each: 16 to 32 bytes a key, where a `set` would take a hundred.

    That two of a million keys agree by chance is less likely than one in ten million.
    """

    def __init__(self) -> None:
        # Open addressing: a digest lies in the slot that its low bits name, or in the next free one. Less than half of
        # the slots are taken, so the way is short. Their number is a power of two.
        self._slots = array("Q", [0]) * _SLOTS_AT_FIRST
        self._count = 0

    def __len__(self) -> int:
        """How many keys there are."""
        return self._count

    def add(self, key: str) -> bool:
        """Note a key; answers whether it was not there yet."""
        slots = self._slots
        last = len(slots) - 1
        digest = hash(key) & _BITS or 1
        place = digest & last
        while found := slots[place]:
            if found == digest:
                return False
            place = (place + 1) & last
        slots[place] = digest
        self._count += 1
        if self._count * 2 > last:
            self._grow()
        return True

    def _grow(self) -> None:
        """Twice as many slots."""
        slots = array("Q", [0]) * (2 * len(self._slots))
        last = len(slots) - 1
        for digest in self._slots:
            if digest:
                place = digest & last
                while slots[place]:
                    place = (place + 1) & last
                slots[place] = digest
        self._slots = slots
