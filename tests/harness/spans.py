"""Spans of the test's own process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased


class _Tracer(trace.Tracer):
    """Makes real spans while a test asks for them, and else none, as without any set-up."""

    def __init__(self, real: trace.Tracer) -> None:
        self._real = real

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        """See Tracer."""
        return self._current.start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """See Tracer."""
        return self._current.start_as_current_span(*args, **kwargs)

    @property
    def _current(self) -> trace.Tracer:
        return self._real if _recording.is_set() else trace.NoOpTracer()


class _OfThisRecording(SimpleSpanProcessor):
    """Leaves out what an earlier test began: a handler or a call that it left behind may end at any time."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        super().__init__(exporter)
        self.begun: set[int] = set()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See SpanProcessor."""
        self.begun.add(span.get_span_context().span_id)

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""
        context = span.get_span_context()
        if context is not None and context.span_id in self.begun:
            super().on_end(span)


class _Provider(trace.TracerProvider):
    """A process has one for good."""

    def __init__(self) -> None:
        self._real = TracerProvider(sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        self.processor = _OfThisRecording(_exporter)
        self._real.add_span_processor(self.processor)

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """See TracerProvider."""
        return _Tracer(self._real.get_tracer(*args, **kwargs))


class Spans:
    """The spans that ended since the recording began."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def __iter__(self) -> Iterator[ReadableSpan]:
        return iter(self.all())

    def all(self) -> Sequence[ReadableSpan]:
        """In the order of their ends."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of this name."""
        return [span for span in self if span.name == name]


_recording = Event()
_exporter = InMemorySpanExporter()
_installed: list[_Provider] = []


@contextmanager
def recorded_spans() -> Iterator[Spans]:
    """Record the spans of this process for as long as the block lasts."""
    if not _installed:
        _installed.append(_Provider())
        trace.set_tracer_provider(_installed[0])
    _installed[0].processor.begun.clear()
    _exporter.clear()
    _recording.set()
    try:
        yield Spans(_exporter)
    finally:
        _recording.clear()
