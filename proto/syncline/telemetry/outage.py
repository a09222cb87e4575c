"""Telling of an export that fails: once when that begins, once when it is over."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]


class Outage:
    """Whether exports to one place fail at present."""

    def __init__(self, begins: str, ends: str, *, failed: Tell, works_again: Tell) -> None:
        """None yet.

        Args:
            begins: The sentence that tells of its beginning; the reason is put behind it.
            ends: The one that tells of its end.
            failed: Told the first.
            works_again: Told the second.
        """
        self._begins = begins
        self._ends = ends
        self._failed = failed
        self._works_again = works_again
        self._lasts = False

    def note(self, *, failing: bool, why: str = "") -> None:
        """An export has been tried."""
        if failing and not self._lasts:
            self._failed(f"{self._begins}{why}")
        elif self._lasts and not failing:
            self._works_again(self._ends)
        self._lasts = failing
