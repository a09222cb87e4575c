"""Channels that make a span for each call.

They stand around gRPC's channels. Its own interceptors would put another object in place of each asyncio call, with a
task of its own, whether there are spans or not; and would not see the end of a stream that nobody reads on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from syncline.client.call_spans import CallSpan, CallSpans, Metadata, ended_call
from syncline.client.opening import OpeningCall


class TracedChannel(grpc.Channel):
    """A channel for blocking calls."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _unary(self._channel.unary_unary(method, *args, **options), CallSpans(method))

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _stream_unary(self._channel.stream_unary(method, *args, **options), CallSpans(method))

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _streaming(self._channel.unary_stream(method, *args, **options), CallSpans(method), _one)

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        return _streaming(self._channel.stream_stream(method, *args, **options), CallSpans(method), _Requests)

    def close(self) -> None:
        """See grpc.Channel."""
        self._channel.close()

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False) -> None:
        """See grpc.Channel."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """See grpc.Channel."""
        self._channel.unsubscribe(callback)


class TracedAsyncChannel(grpc.aio.Channel):
    """A channel for asyncio."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _async_unary(self._channel.unary_unary(method, *args, **options), CallSpans(method), _one)

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _async_unary(self._channel.stream_unary(method, *args, **options), CallSpans(method), _AsyncRequests)

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _async_streaming(self._channel.unary_stream(method, *args, **options), CallSpans(method), _one)

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """See grpc.aio.Channel."""
        return _async_streaming(
            self._channel.stream_stream(method, *args, **options), CallSpans(method), _AsyncRequests
        )

    async def close(self, grace: float | None = None) -> None:
        """See grpc.aio.Channel."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """See grpc.aio.Channel."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """See grpc.aio.Channel."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """See grpc.aio.Channel."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.__aexit__(kind, error, traceback)


def allow_cancel(call: object) -> None:
    """Say of an open stream that its caller lacks nothing if it ends it now or later: the span is no failure then."""
    if isinstance(call, OpeningCall):
        call.when_open(allow_cancel)
    elif isinstance(call, _Responses | _AsyncResponses):
        call.span.may_be_cancelled = True


_Count = Callable[[Any, CallSpan], Any]
"""Makes what the call is given of what its caller gives: one request, or requests to be counted."""


def _unary(call: Callable[..., Any], spans: CallSpans) -> Callable[..., Any]:
    def traced(request: Any, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        span = spans.begin(metadata, stream=False)
        if span is None:
            return call(request, timeout=timeout, metadata=metadata)
        return _answer(span, call, request, timeout)

    return traced


def _stream_unary(call: Callable[..., Any], spans: CallSpans) -> Callable[..., Any]:
    def traced(requests: Any, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        span = spans.begin(metadata, stream=True)
        if span is None:
            return call(requests, timeout=timeout, metadata=metadata)
        return _answer(span, call, _Requests(requests, span), timeout)

    return traced


def _answer(span: CallSpan, call: Callable[..., Any], request: Any, timeout: float | None) -> Any:
    try:
        response = call(request, timeout=timeout, metadata=span.metadata)
    except BaseException as error:
        span.fail(error)
        raise
    span.received = 1
    span.end(grpc.StatusCode.OK)
    return response


def _streaming(call: Callable[..., Any], spans: CallSpans, count: _Count) -> Callable[..., Any]:
    def traced(request: Any, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        span = spans.begin(metadata, stream=True)
        if span is None:
            return call(request, timeout=timeout, metadata=metadata)
        try:
            return _Responses(call(count(request, span), timeout=timeout, metadata=span.metadata), span)
        except BaseException as error:
            span.fail(error)
            raise

    return traced


def _async_unary(call: Callable[..., Any], spans: CallSpans, count: _Count) -> Callable[..., Any]:
    stream = count is not _one

    def traced(request: Any, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        span = spans.begin(metadata, stream=stream)
        if span is None:
            return call(request, timeout=timeout, metadata=metadata)
        return _begun(span, call, count(request, span), timeout, one_answer=True)

    return traced


def _async_streaming(call: Callable[..., Any], spans: CallSpans, count: _Count) -> Callable[..., Any]:
    def traced(request: Any, timeout: float | None = None, metadata: Metadata | None = None) -> Any:
        span = spans.begin(metadata, stream=True)
        if span is None:
            return call(request, timeout=timeout, metadata=metadata)
        return _AsyncResponses(_begun(span, call, count(request, span), timeout, one_answer=False), span)

    return traced


def _begun(span: CallSpan, call: Callable[..., Any], request: Any, timeout: float | None, *, one_answer: bool) -> Any:
    """A call of grpc.aio, which ends the span at its own end."""
    try:
        open_call = call(request, timeout=timeout, metadata=span.metadata)
    except BaseException as error:
        span.fail(error)
        raise

    def end(over: Any) -> None:
        code = ended_call(over)
        if one_answer and code is grpc.StatusCode.OK:
            span.received = 1
        span.end(code)

    open_call.add_done_callback(end)
    return open_call


def _one(request: Any, span: CallSpan) -> Any:
    span.sent = 1
    return request


class _Requests:
    """Requests that are counted as they go."""

    def __init__(self, requests: Iterator[Any], span: CallSpan) -> None:
        self._requests = iter(requests)
        self._span = span

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        request = next(self._requests)
        self._span.sent += 1
        return request


class _AsyncRequests:
    """Requests that are counted as they go."""

    def __init__(self, requests: AsyncIterator[Any], span: CallSpan) -> None:
        self._requests = aiter(requests)
        self._span = span

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        request = await anext(self._requests)
        self._span.sent += 1
        return request


class _Responses:
    """An open stream: gRPC's call, with its responses counted. When nobody holds it any more it is cancelled."""

    def __init__(self, call: Any, span: CallSpan) -> None:
        self._call = call
        self.span = span

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            response = next(self._call)
        except StopIteration:
            self.span.end(grpc.StatusCode.OK)
            raise
        except grpc.RpcError as error:
            self.span.fail(error)
            raise
        self.span.received += 1
        return response

    def cancel(self) -> None:
        self._call.cancel()
        self.span.end(self._call.code())  # there is one now: this one, or that of a call that had ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __del__(self) -> None:
        self.cancel()


class _AsyncResponses:
    """An open stream: gRPC's call, with its responses counted."""

    def __init__(self, call: Any, span: CallSpan) -> None:
        self._call = call
        self.span = span

    async def read(self) -> Any:
        response = await self._call.read()
        if response is not grpc.aio.EOF:
            self.span.received += 1
        return response

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for response in self._call:
            self.span.received += 1
            yield response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
