"""Standing around calls of all four kinds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, nullcontext
from typing import Any, Final, TypeAlias

import grpc

from syncline.server.interceptors.context import CallContext

Sending: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Makes the context in which a message is sent."""

Guard: TypeAlias = Callable[[CallContext], AbstractAsyncContextManager[Sending | None]]
"""Makes the context in which a call runs."""

Weigh: TypeAlias = Callable[[int], Awaitable[None]]
"""Is told the size in bytes of each message that comes, and waited for before the message is handed on."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_MAKERS: Final[dict[tuple[bool, bool], Callable[..., Handler]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""What makes a handler, by whether its requests and its responses are streams."""


def is_ours(method: str) -> bool:
    """Is it a method of this project? Health and reflection answer for themselves."""
    return method.startswith("/syncline.")


def is_streaming(handler: Handler) -> bool:
    """Do its calls have more than one message either way?"""
    return handler.request_streaming or handler.response_streaming


def behaviour_of(handler: Handler) -> Any:
    """The function that answers the handler's calls, of whatever kind they are."""
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


def with_behaviour(handler: Handler, behaviour: Callable[..., Any], *, parsed: bool = True) -> Handler:
    """A handler of the same kind that answers by another function.

    Args:
        handler: The one to be like.
        behaviour: The function.
        parsed: Is it given requests? Otherwise the bytes that came.
    """
    make = _MAKERS[handler.request_streaming, handler.response_streaming]
    return make(behaviour, handler.request_deserializer if parsed else None, handler.response_serializer)


def wrap_handler(handler: Handler, guard: Guard, *, weigh: Weigh | None = None) -> Handler:
    """The handler, running inside the guard. It must be a coroutine function or an async generator function.

    Requests are parsed inside the guard, too: gRPC would answer UNKNOWN for one that cannot be parsed.
    """
    wrap = _streaming if handler.response_streaming else _unary
    return with_behaviour(handler, wrap(handler, guard, weigh), parsed=False)


def _unary(handler: Handler, guard: Guard, weigh: Weigh | None) -> Callable[[Any, CallContext], Any]:
    behaviour = behaviour_of(handler)

    async def call(raw: Any, context: CallContext) -> Any:
        async with guard(context):
            return await behaviour(await _weighed(handler, raw, weigh), context)

    return call


def _streaming(
    handler: Handler, guard: Guard, weigh: Weigh | None
) -> Callable[[Any, CallContext], AsyncGenerator[Any, None]]:
    behaviour = behaviour_of(handler)

    async def call(raw: Any, context: CallContext) -> AsyncGenerator[Any, None]:
        async with guard(context) as sending:
            request = await _weighed(handler, raw, weigh)
            async with aclosing(behaviour(request, context)) as responses:
                del request
                async for response in responses:
                    with sending() if sending is not None else nullcontext():
                        yield response
                    del response  # an idle stream would hold its last message

    return call


async def _weighed(handler: Handler, raw: Any, weigh: Weigh | None) -> Any:
    """The request, or the requests as they come; parsed, unless the handler within does that."""
    parse = handler.request_deserializer
    if handler.request_streaming:
        return raw if parse is None and weigh is None else _each_weighed(parse, raw, weigh)
    if weigh is not None:
        await weigh(len(raw))
    return raw if parse is None else parse(raw)


async def _each_weighed(
    parse: Callable[[Any], Any] | None, raw: AsyncIterable[Any], weigh: Weigh | None
) -> AsyncGenerator[Any, None]:
    # Not an expression: that would begin to iterate at once, and gRPC warns of a call that ends without ever reading.
    async for message in raw:
        if weigh is not None:
            await weigh(len(message))
        yield message if parse is None else parse(message)
