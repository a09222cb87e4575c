"""Collecting metrics in this process: set up once, ended in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader

from syncline.telemetry.resource import process_resource

_FLUSH_SECONDS_MAX = 3.0
"""How long the end of a process waits for its last numbers."""


class Metering:
    """The metrics of this process, from here on; the end of the process ends them by `shut_down`."""

    def __init__(self, service: str, readers: Sequence[MetricReader]) -> None:
        """Set it up.

        Args:
            service: The name of the service, unless `OTEL_*` tell another one.
            readers: They collect the metrics, when asked to or every now and then.

        Raises:
            ValueError: one of `OTEL_*` makes no sense.
        """
        self._provider = MeterProvider(readers, process_resource(service), shutdown_on_exit=False)
        metrics.set_meter_provider(self._provider)

    def shut_down(self) -> None:
        """Export the last numbers, for a bounded time."""
        # In a thread that may be left behind, for an exporter that hangs.
        ending = threading.Thread(target=self._provider.shutdown, name="last metrics", daemon=True)
        ending.start()
        ending.join(_FLUSH_SECONDS_MAX)
