"""Every metric of the system, as a table: what it is called, what it counts, by which labels.

Those that start with `syncline.` are our own; the others are of OpenTelemetry's semantic conventions. No label is an
id: not of an account, a device, a record or a request. docs/metrics.md says of each what to do when it is high.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can be done with a metric's numbers."""

    COUNTER = "counter"
    """Only grows; its rate tells."""
    UP_DOWN = "up-down counter"
    """How many there are now, of what begins and ends."""
    HISTOGRAM = "histogram"
    """How a value is distributed."""
    GAUGE = "gauge"
    """A value that is looked up now and then."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric, as it is told to whoever collects it."""

    name: str
    kind: Kind
    unit: str
    """UCUM: `s`, `By`, `1`, or what is counted, in braces."""
    says: str
    """One line."""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None
    """Upper bounds of a histogram's classes, in the unit; None: those of the conventions."""


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Classes for what people wait for."""
LONG_SECONDS = (0.01, 0.1, 1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400)
"""Classes for what may be away for days."""

# Calls.
CALL_DURATION = Metric(
    name="rpc.server.call.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    says="How long calls took; a stream takes as long as it is open.",
    labels=("rpc.method", "rpc.response.status_code"),
    buckets=SECONDS,
)
LIVE_STREAMS = Metric(
    name="syncline.streams.live",
    kind=Kind.UP_DOWN,
    unit="{stream}",
    says="Streams that are open now.",
    labels=("rpc.method",),
)

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""The table, in the order of this file. Metrics stand above this line."""
