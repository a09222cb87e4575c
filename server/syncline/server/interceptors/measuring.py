"""How long calls take, how they end, and which streams are open."""

from __future__ import annotations

import time
from types import TracebackType

import grpc

from syncline.data import metrics
from syncline.data.telemetry import RPC_METHOD, RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_GRPC, RPC_SYSTEM_NAME
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.endings import status_of
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.wrapping import Handler, wrap_handler
from syncline.server.telemetry.instruments import histogram, up_down

_DURATION = histogram(metrics.CALL_DURATION)
_LIVE = up_down(metrics.LIVE_STREAMS)


class MeasuringInterceptor(OwnMethodsInterceptor):
    """Measures each call of a method that there is. Of a name that a caller thought up nothing is kept.

    Must stand outside the interceptor that answers errors, to see what it answers.
    """

    def around(self, handler: Handler, method: str) -> Handler:
        """See `OwnMethodsInterceptor`."""
        name, stream = method.removeprefix("/"), handler.response_streaming
        return wrap_handler(handler, lambda context: _Call(name, context, stream=stream))


class _Call:
    """One call. It ends with the call, whether its handler is run to its end or is left where it waits."""

    __slots__ = ("_began", "_context", "_failed", "_method", "_stream")

    def __init__(self, method: str, context: CallContext, *, stream: bool) -> None:
        self._method = method
        self._context = context
        self._stream = stream
        self._failed = False
        self._began = 0.0

    async def __aenter__(self) -> None:
        self._began = time.perf_counter()
        if self._stream:
            _LIVE.add(1, {RPC_METHOD: self._method})
        self._context.add_done_callback(self._end)  # type: ignore[arg-type]  # the stubs want a class of their own

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Such an error is no status, but gRPC answers one.
        self._failed = isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError)

    def _end(self, context: CallContext) -> None:
        if self._stream:
            _LIVE.add(-1, {RPC_METHOD: self._method})
        code = status_of(context, failed=self._failed)
        labels = {RPC_SYSTEM_NAME: RPC_SYSTEM_GRPC, RPC_METHOD: self._method, RPC_RESPONSE_STATUS_CODE: code.name}
        _DURATION.record(time.perf_counter() - self._began, labels)
