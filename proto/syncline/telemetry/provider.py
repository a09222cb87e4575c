"""Making spans in this process: set up once, ended in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from syncline.telemetry.reporting import ReportingExporter
from syncline.telemetry.resource import process_resource
from syncline.telemetry.waiting_spans import WaitingSpans

_FLUSH_SECONDS_MAX = 3.0
"""How long the end of a process waits for its last spans."""
_FILE_DELAY_MS = 200
"""A file is written this long after the first span of a batch: a process that is killed loses no more than that."""


class Tracing:
    """The spans of this process, from here on; the end of the process ends them by `shut_down`."""

    def __init__(
        self, service: str, exporters: Sequence[ReportingExporter], files: Sequence[ReportingExporter]
    ) -> None:
        """Set it up, with the limits and the sampler that `OTEL_*` tell.

        Args:
            service: The name of the service, unless `OTEL_*` tell another one.
            exporters: They may be slow: what they do not take in time is dropped.
            files: They are quick.

        Raises:
            ValueError: one of `OTEL_*` makes no sense.
        """
        self._provider = TracerProvider(resource=process_resource(service), shutdown_on_exit=False)
        self._waiting = [  # files first: in the end they are written in this order
            *(WaitingSpans(exporter, delay_ms=_FILE_DELAY_MS) for exporter in files),
            *(WaitingSpans(exporter) for exporter in exporters),
        ]
        for waiting in self._waiting:
            self._provider.add_span_processor(waiting)
        trace.set_tracer_provider(self._provider)

    def shut_down(self) -> None:
        """Export what is left, for a bounded time."""
        # In a thread that may be left behind: the SDK waits for an exporter that hangs ten times as long.
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(_FLUSH_SECONDS_MAX)
        for waiting in self._waiting:
            waiting.give_up()
