"""Measuring on a machine that does other things, too."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.figure import DetailValue

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rounds:
    """What several rounds of a measurement and of its limit gave, in their order."""

    values: tuple[float, ...]
    limits: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median of the measurement."""
        return median(self.values)

    @property
    def limit(self) -> float:
        """The median of the limit."""
        return median(self.limits)

    @property
    def detail(self) -> dict[str, DetailValue]:
        """All of them, for whoever wants to know how steady they were."""
        return {"rounds": list(self.values), "limits": list(self.limits)}


def alternate(measure: Measure, limit: Measure, *, rounds: int) -> Rounds:
    """Take turns, so that what else the machine does in the meantime slows both alike."""
    # What the benchmark itself keeps in memory must not cost the measured code any collection time.
    gc.collect()
    gc.freeze()
    values, limits = [], []
    for _ in range(rounds):
        limits.append(limit())
        values.append(measure())
    return Rounds(tuple(values), tuple(limits))
