"""Counting the spans that came to nothing, and telling of them: once a minute at most, and at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from opentelemetry import metrics

from syncline.data.metrics import DROPPED_SPANS
from syncline.data.telemetry import SCOPE

_DROPPED = metrics.get_meter(SCOPE).create_counter(DROPPED_SPANS.name, DROPPED_SPANS.unit, DROPPED_SPANS.says)

_TELL_EACH_SECONDS = 60.0


class DroppedSpans:
    """Those that one exporter did not get, or did not take. From any thread."""

    def __init__(self, where: str, tell: Callable[[str], None]) -> None:
        """Count what is not exported to where people are told."""
        self._where = where
        self._tell = tell
        self._lock = threading.Lock()
        self._untold = 0
        self._told_at = time.monotonic()

    def add(self, spans: int) -> None:
        """So many more. Nothing is told yet: this may be where a call is answered."""
        _DROPPED.add(spans)
        with self._lock:
            self._untold += spans

    def tell(self, *, at_once: bool = False) -> None:
        """Tell how many they are since it was told last, if there are any, and a minute ago or at once."""
        now = time.monotonic()
        with self._lock:
            if not (self._untold and (at_once or now >= self._told_at + _TELL_EACH_SECONDS)):
                return
            spans, self._untold, self._told_at = self._untold, 0, now
        what = "1 span was" if spans == 1 else f"{spans:,} spans were"
        self._tell(f"{what} dropped that should have gone to {self._where}")
