"""Keeping OpenTelemetry's own words out of a log."""

from __future__ import annotations

import logging


def quieten_opentelemetry() -> None:
    """Log nothing of what its loggers say.

    They have a line for each batch that cannot be exported, and for what a caller sends in place of a trace context: a
    log could be filled so.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
