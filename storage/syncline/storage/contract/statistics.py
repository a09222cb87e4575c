"""How much waits."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.statistics_models import Statistics


class StatisticsStore(Protocol):
    """Figures for who operates the store. Crosses accounts: it names none of them, and nothing in them."""

    def read_statistics(self, *, now: int) -> Statistics:
        """All figures, in one snapshot. Locks and changes nothing, and nobody waits for it.

        What it costs is bounded, however much there is: see the limits in `syncline.storage.statistics_models`.
        """

    def read_clock(self) -> int:
        """The time of the machine that the database runs on, in microseconds since the Unix epoch."""
