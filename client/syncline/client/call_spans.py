"""The span of one call: begun with what the call is, told to the server, ended with what came of it."""

from __future__ import annotations

import threading
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from syncline.data.telemetry import (
    ERROR_TYPE,
    MESSAGES_RECEIVED,
    MESSAGES_SENT,
    RPC_METHOD,
    RPC_SERVICE,
    RPC_STATUS_CODE,
    RPC_SYSTEM,
    RPC_SYSTEM_GRPC,
    SCOPE,
)

Metadata = tuple[tuple[str, str], ...]

_tracer = trace.get_tracer(SCOPE)
_propagator = TraceContextTextMapPropagator()


class CallSpans:
    """Begins the spans of the calls of one method. Where nothing is set up for traces there are none."""

    def __init__(self, method: str) -> None:
        self._name = method.removeprefix("/")
        service, _, name = self._name.partition("/")
        self._attributes = {RPC_SYSTEM: RPC_SYSTEM_GRPC, RPC_SERVICE: service, RPC_METHOD: name}

    def begin(self, metadata: Metadata | None, *, stream: bool) -> CallSpan | None:
        """The span of a call that is about to be made; None: nobody wants to know of it.

        Args:
            metadata: What the caller sends with it.
            stream: Does more than one message go either way? They are counted then.
        """
        span = _tracer.start_span(self._name, kind=SpanKind.CLIENT, attributes=self._attributes)
        return CallSpan(span, metadata, stream=stream) if span.get_span_context().is_valid else None


class CallSpan:
    """One call's span. It ends once, however often it is told to."""

    def __init__(self, span: Span, metadata: Metadata | None, *, stream: bool) -> None:
        told: dict[str, str] = {}
        _propagator.inject(told, set_span_in_context(span))
        self.metadata: Metadata = (*(metadata or ()), *told.items())
        """The caller's metadata, with the span's context."""
        self.sent = 0
        self.received = 0
        self.may_be_cancelled = False
        """Is it no failure if the call ends by being cancelled?"""
        self._span = span
        self._stream = stream
        self._ending = threading.Lock()
        self._ended = False

    def end(self, code: grpc.StatusCode) -> None:
        """The call has this status: to a caller, each but OK is an error, CANCELLED if it was to have an answer."""
        if self._first_end():
            self._span.set_attribute(RPC_STATUS_CODE, code.value[0])
            is_well = code is grpc.StatusCode.OK or (code is grpc.StatusCode.CANCELLED and self.may_be_cancelled)
            self._close(None if is_well else code.name)

    def fail(self, error: BaseException) -> None:
        """The call ended with this exception."""
        if isinstance(error, grpc.RpcError):
            self.end(error.code())
        elif self._first_end():
            self._close(type(error).__qualname__)

    def _first_end(self) -> bool:
        with self._ending:
            ended, self._ended = self._ended, True
        return not ended

    def _close(self, error: str | None) -> None:
        span = self._span
        if self._stream:
            span.set_attribute(MESSAGES_SENT, self.sent)
            span.set_attribute(MESSAGES_RECEIVED, self.received)
        if error is not None:
            span.set_attribute(ERROR_TYPE, error)
            span.set_status(Status(StatusCode.ERROR, error))
        span.end()


def ended_call(call: Any) -> grpc.StatusCode:
    """The status of a call of grpc.aio that is over.

    It is only to be had by a coroutine, which does not wait once the status is there.
    """
    reading = call.code()
    try:
        reading.send(None)
    except StopIteration as ended:
        code: grpc.StatusCode = ended.value
        return code
    reading.close()
    raise RuntimeError("the call is not over")
