"""What the server counts with: the instruments that its stores have, too."""

from __future__ import annotations

from opentelemetry import metrics

from syncline.storage.instruments import counter, gauge, histogram, up_down

__all__ = ["counter", "gauge", "histogram", "metrics_are_on", "up_down"]


def metrics_are_on() -> bool:
    """Does anybody collect what is counted? Known once the process has set its telemetry up."""
    return not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")  # the API's do nothing
