"""What stores and servers count with: instruments for the metrics of the table.

They are made at import, as constants of the module that uses them, and do nothing until metrics are set up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation, UpDownCounter

from syncline.data.metrics import Kind, Metric
from syncline.data.telemetry import SCOPE

_meter = metrics.get_meter(SCOPE)


def counter(metric: Metric) -> Counter:
    """For a metric of kind COUNTER."""
    _check(metric, Kind.COUNTER)
    return _meter.create_counter(metric.name, metric.unit, metric.says)


def up_down(metric: Metric) -> UpDownCounter:
    """For a metric of kind UP_DOWN."""
    _check(metric, Kind.UP_DOWN)
    return _meter.create_up_down_counter(metric.name, metric.unit, metric.says)


def histogram(metric: Metric) -> Histogram:
    """For a metric of kind HISTOGRAM."""
    _check(metric, Kind.HISTOGRAM)
    return _meter.create_histogram(
        metric.name, metric.unit, metric.says, explicit_bucket_boundaries_advisory=metric.buckets
    )


def gauge(metric: Metric, observe: Callable[[], Iterable[Observation]]) -> None:
    """For a metric of kind GAUGE. `observe` is called for each collection, in any thread, and must be quick."""
    _check(metric, Kind.GAUGE)

    def callback(_options: CallbackOptions) -> Iterable[Observation]:
        return observe()

    _meter.create_observable_gauge(metric.name, [callback], metric.unit, metric.says)


def _check(metric: Metric, kind: Kind) -> None:
    if metric.kind is not kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")
