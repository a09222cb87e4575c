"""A span for each call that the server answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
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
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.endings import status_of
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.wrapping import Handler, behaviour_of, with_behaviour

_tracer = trace.get_tracer(SCOPE)
_propagator = TraceContextTextMapPropagator()

_HEADERS_CHARS_MAX = {"traceparent": 128, "tracestate": 512}
"""What is read of a caller's context. Longer than this is no context: later versions may lengthen a traceparent, and a
tracestate of up to 512 characters has to be carried."""

_FAULTS_OF_SERVERS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The conventions on calls take these for errors of a server; the others are answers."""


class TracingInterceptor(OwnMethodsInterceptor):
    """Makes a span for each call, a child of the caller's, that is current while the call is answered.

    Must stand outside the interceptor that answers errors, to see what it answers.
    """

    def around(self, handler: Handler, method: str) -> Handler:
        """See `OwnMethodsInterceptor`."""
        return _wrap(handler, _CallSpans(method))


class _CallSpans:
    """Begins the spans of the calls of one method."""

    def __init__(self, method: str) -> None:
        self._name = method.removeprefix("/")
        service, _, name = self._name.partition("/")
        self._attributes = {RPC_SYSTEM: RPC_SYSTEM_GRPC, RPC_SERVICE: service, RPC_METHOD: name}

    def begin(self, context: CallContext, *, stream: bool) -> _CallSpan | None:
        """The span of a call that came, current from here on; None: nobody wants to know of it.

        It ends with the call, whether its handler is run to its end or is left where it waits.

        Args:
            context: The call.
            stream: Does more than one message go either way? They are counted then.
        """
        span = _tracer.start_span(self._name, _context_of(context), kind=SpanKind.SERVER, attributes=self._attributes)
        if not span.get_span_context().is_valid:
            return None
        # Never detached: gRPC answers each call in a task of its own, whose context ends with it, and closes a
        # generator that it has left in another.
        contexts.attach(trace.set_span_in_context(span))
        if not span.is_recording():
            return None  # not sampled: what is called from here on needs to know, but nothing is noted
        call = _CallSpan(span, stream=stream)
        context.add_done_callback(call.end)  # type: ignore[arg-type]  # the stubs want a class of their own
        return call


class _CallSpan:
    """One call's span, and what is counted for it."""

    def __init__(self, span: Span, *, stream: bool) -> None:
        self.received = 0
        self.sent = 0
        self.failed = False
        """Did the handler raise something that is no status?"""
        self._span = span
        self._stream = stream

    def end(self, context: CallContext) -> None:
        """The call is over."""
        span = self._span
        code = status_of(context, failed=self.failed)
        span.set_attribute(RPC_STATUS_CODE, code.value[0])
        if self._stream:
            span.set_attribute(MESSAGES_RECEIVED, self.received)
            span.set_attribute(MESSAGES_SENT, self.sent)
        if code in _FAULTS_OF_SERVERS:
            span.set_attribute(ERROR_TYPE, code.name)
            span.set_status(Status(StatusCode.ERROR, code.name))
        span.end()


def _context_of(context: CallContext) -> Context:
    """The caller's context. One that cannot be read, or is too long, is none."""
    told = {
        name: value
        for name, value in context.invocation_metadata() or ()
        if isinstance(value, str) and len(value) <= _HEADERS_CHARS_MAX.get(name, 0)
    }
    return _propagator.extract(told, Context())


def _wrap(handler: Handler, spans: _CallSpans) -> Handler:
    """The handler, with a span around each of its calls."""
    wrap = _streaming if handler.response_streaming else _unary
    return with_behaviour(handler, wrap(behaviour_of(handler), spans, handler.request_streaming))


def _unary(behaviour: Any, spans: _CallSpans, stream: bool) -> Callable[[Any, CallContext], Awaitable[Any]]:
    async def call(request: Any, context: CallContext) -> Any:
        span = spans.begin(context, stream=stream)
        if span is None:
            return await behaviour(request, context)
        try:
            response = await behaviour(_counted(request, span) if stream else request, context)
        except grpc.aio.AbortError:
            raise
        except Exception:
            span.failed = True
            raise
        span.sent = 1
        return response

    return call


def _streaming(
    behaviour: Any, spans: _CallSpans, stream: bool
) -> Callable[[Any, CallContext], AsyncGenerator[Any, None]]:
    async def call(request: Any, context: CallContext) -> AsyncGenerator[Any, None]:
        span = spans.begin(context, stream=True)
        if span is not None and stream:
            request = _counted(request, span)
        elif span is not None:
            span.received = 1
        try:
            async with aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    yield response
                    if span is not None:
                        span.sent += 1
                    del response  # an idle stream would hold its last message
        except grpc.aio.AbortError:
            raise
        except Exception:
            if span is not None:
                span.failed = True
            raise

    return call


async def _counted(requests: AsyncIterable[Any], span: _CallSpan) -> AsyncGenerator[Any, None]:
    # Not an expression: that would begin to iterate at once, and gRPC warns of a call that ends without ever reading.
    async for request in requests:
        span.received += 1
        yield request
