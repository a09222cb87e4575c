"""Metrics of the test's own process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
)

from syncline.data.metrics import ALL, Kind, Metric

Series = dict[tuple[str, ...], float]
"""By the values of the metric's labels, in their order; one that is absent is empty."""


class Metrics:
    """What was counted since the recording began, of the metrics of the table and by no other labels than theirs."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader
        self._counts: defaultdict[str, Series] = defaultdict(dict)
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._now: dict[str, Series] = {}

    def counts(self, metric: Metric) -> Series:
        """Of a counter what was added, of a histogram how many values there were."""
        self._collect()
        return {labels: count for labels, count in self._counts[metric.name].items() if count}

    def sum(self, metric: Metric) -> float:
        """Of a histogram the sum of all values."""
        self._collect()
        return self._sums[metric.name]

    def now(self, metric: Metric) -> Series:
        """Of an up-down counter or a gauge its value, whoever counted before."""
        self._collect()
        return dict(self._now.get(metric.name, {}))

    def _collect(self) -> None:
        data = self._reader.get_metrics_data()
        known = {metric.name: metric for metric in ALL}
        self._now.clear()
        resources = () if data is None else data.resource_metrics
        for found in (one for resource in resources for scope in resource.scope_metrics for one in scope.metrics):
            metric = known[found.name]
            for point in found.data.data_points:
                told = dict(point.attributes or {})
                assert told.keys() <= set(metric.labels), f"{metric.name}: {told}"
                labels = tuple(str(told.get(label, "")) for label in metric.labels)
                if isinstance(point, HistogramDataPoint):
                    self._add(metric, labels, point.count)
                    self._sums[metric.name] += point.sum
                elif isinstance(point, NumberDataPoint) and metric.kind is Kind.COUNTER:
                    self._add(metric, labels, point.value)
                elif isinstance(point, NumberDataPoint):
                    self._now.setdefault(metric.name, {})[labels] = point.value

    def _add(self, metric: Metric, labels: tuple[str, ...], count: float) -> None:
        counts = self._counts[metric.name]
        counts[labels] = counts.get(labels, 0) + count


_readers: list[InMemoryMetricReader] = []


@contextmanager
def recorded_metrics() -> Iterator[Metrics]:
    """Record the metrics of this process for as long as the block lasts."""
    if not _readers:  # a process has one provider for good
        deltas: dict[type, AggregationTemporality] = {
            Counter: AggregationTemporality.DELTA,
            Histogram: AggregationTemporality.DELTA,
        }
        _readers.append(InMemoryMetricReader(preferred_temporality=deltas))
        metrics.set_meter_provider(MeterProvider(_readers, shutdown_on_exit=False))
    _readers[0].get_metrics_data()  # what was counted before is not of the test
    yield Metrics(_readers[0])
