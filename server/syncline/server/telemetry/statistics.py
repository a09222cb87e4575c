"""How much waits in the database, as gauges: they tell what this server found when it looked last.

Servers look, workers do not. All servers of one database find the same; what each tells is the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from opentelemetry.metrics import Observation

from syncline.data import metrics
from syncline.data.metrics import Metric
from syncline.server.environment import Environment, now_us
from syncline.server.telemetry.instruments import gauge
from syncline.storage.statistics_models import Statistics

_INTERVALS_MAX = 3
"""What is older than so many intervals is not told: the database is away, and nobody knows."""

Values = dict[str, float]
"""By the value of the metric's label; of one without a label, by the empty string."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was found, and until when that is told, on the monotonic clock."""

    found: Statistics
    told_until: float


class _Latest:
    """The newest reading of this process."""

    def __init__(self) -> None:
        self.reading: _Reading | None = None

    def observe(self, metric: Metric, values: Callable[[Statistics], Values]) -> Iterable[Observation]:
        """What a gauge tells now."""
        reading = self.reading
        if reading is None or time.monotonic() > reading.told_until:
            return []
        (label,) = metric.labels or ("",)
        return [Observation(value, {label: name} if label else {}) for name, value in values(reading.found).items()]


_latest = _Latest()


async def look_at_statistics(env: Environment) -> None:
    """Read the figures for the gauges."""
    found = await env.threads.run(env.store.read_statistics, now=now_us())
    _latest.reading = _Reading(found, time.monotonic() + _INTERVALS_MAX * env.settings.statistics_seconds)


def _seconds(microseconds: int) -> float:
    return microseconds / 1_000_000


_GAUGES: dict[Metric, Callable[[Statistics], Values]] = {
    metrics.DEVICES: lambda found: {standing.value: count for standing, count in found.devices.items()},
    metrics.QUEUE_LAG: lambda found: {"max": found.lag_max, "median": found.lag_median},
    metrics.QUEUE_OLDEST: lambda found: {"": _seconds(found.oldest_item_age)},
    metrics.QUEUE_HOLES: lambda found: {"max": found.holes_max, "sum": found.holes_total},
    metrics.QUEUE_REFUSED: lambda found: {"sent_again": found.refused_items, "parked": found.parked_items},
    metrics.DELETES_KEPT: lambda found: {"tombstone": found.tombstones, "departure": found.departures},
    metrics.REQUESTS_OPEN: lambda found: {status.value: count for status, count in found.requests.items()},
    metrics.REQUESTS_OLDEST_DUE: lambda found: {"": _seconds(found.oldest_due_age)},
    metrics.ENROLLMENTS_FAILING: lambda found: {"": found.failing_enrollments},
}


def _observer(metric: Metric, values: Callable[[Statistics], Values]) -> Callable[[], Iterable[Observation]]:
    return lambda: _latest.observe(metric, values)


for _metric, _values in _GAUGES.items():
    gauge(_metric, _observer(_metric, _values))
