"""Standing around calls of all four kinds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeAlias

import grpc

from syncline.server.interceptors.context import CallContext

Guard: TypeAlias = Callable[[CallContext], AbstractAsyncContextManager[None]]
"""Makes the context in which a call runs."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def is_ours(method: str) -> bool:
    """Is it a method of this project? Health and reflection answer for themselves."""
    return method.startswith("/syncline.")


def wrap_handler(handler: Handler, guard: Guard) -> Handler:
    """The handler, running inside the guard. It must be a coroutine function or an async generator function.

    Requests are parsed inside the guard, too: gRPC would answer UNKNOWN for one that cannot be parsed.
    """
    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        return make(_streaming(handler, guard), None, handler.response_serializer)
    make = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
    return make(_unary(handler, guard), None, handler.response_serializer)


def _unary(handler: Handler, guard: Guard) -> Callable[[Any, CallContext], Any]:
    behaviour: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary

    async def call(raw: Any, context: CallContext) -> Any:
        async with guard(context):
            return await behaviour(_parsed(handler, raw), context)

    return call


def _streaming(handler: Handler, guard: Guard) -> Callable[[Any, CallContext], AsyncGenerator[Any, None]]:
    behaviour: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream

    async def call(raw: Any, context: CallContext) -> AsyncGenerator[Any, None]:
        async with guard(context), aclosing(behaviour(_parsed(handler, raw), context)) as responses:
            async for response in responses:
                yield response
                del response  # an idle stream would hold its last message

    return call


def _parsed(handler: Handler, raw: Any) -> Any:
    """The request, or the requests as they come."""
    parse = handler.request_deserializer
    if parse is None:
        return raw
    return _each_parsed(parse, raw) if handler.request_streaming else parse(raw)


async def _each_parsed(parse: Callable[[Any], Any], raw: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    # Not an expression: that would begin to iterate at once, and gRPC warns of a call that ends without ever reading.
    async for message in raw:
        yield parse(message)
