"""Lets calls in whose caller has proved who he is and may make them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc

from syncline.server.errors import PermissionDenied, Unauthenticated
from syncline.server.identity.authenticator import Authenticator
from syncline.server.identity.caller import set_caller
from syncline.server.identity.permissions import NEEDED
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.wrapping import Handler, is_ours, wrap_handler

AUTHORIZATION = "authorization"
_SCHEME = "bearer "
TOKEN_CHARS_MAX = 16_384
"""A longer token is not looked at."""


class IdentityInterceptor(grpc.aio.ServerInterceptor):
    """Names the caller of each call. Must stand inside the interceptor that answers errors."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not is_ours(method):
            return handler
        return wrap_handler(handler, lambda context: self._admit(method, context))

    @asynccontextmanager
    async def _admit(self, method: str, context: CallContext) -> AsyncIterator[None]:
        caller = await self._authenticator.authenticate(bearer_token(context))
        needed = NEEDED.get(method)
        if needed is None or not caller.may(needed):
            raise PermissionDenied(needed)
        set_caller(caller)
        yield


def bearer_token(context: CallContext) -> str:
    """The token that the call carries; empty if it carries none.

    Raises:
        Unauthenticated: it carries more than one, or something else.
    """
    values = [value for name, value in context.invocation_metadata() or () if name == AUTHORIZATION]
    if not values:
        return ""
    value = values[0]
    if len(values) > 1 or not isinstance(value, str) or not value.lower().startswith(_SCHEME):
        raise Unauthenticated("metadata 'authorization' must be given once, as: Bearer TOKEN")
    token = value[len(_SCHEME) :].strip()
    if not token or len(token) > TOKEN_CHARS_MAX:
        raise Unauthenticated("the bearer token is empty or too long")
    return token
