"""Lets calls in whose caller has proved who he is and may make them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncline.server.errors import PermissionDenied, Unauthenticated
from syncline.server.identity.authenticator import MISSING, NOT_VALID, TOKEN_CHARS_MAX, Authenticator
from syncline.server.identity.caller import Caller, set_caller
from syncline.server.identity.permissions import NEEDED
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.watching import watched
from syncline.server.interceptors.wrapping import Handler, Sending, is_streaming, wrap_handler

AUTHORIZATION = "authorization"
_SCHEME = "bearer "


class IdentityInterceptor(OwnMethodsInterceptor):
    """Names the caller of each call. Must stand inside the interceptor that answers errors."""

    def __init__(self, authenticator: Authenticator, *, recheck_seconds: float = 0) -> None:
        """Prepare.

        Args:
            authenticator: proves who calls.
            recheck_seconds: how often a stream's token is looked at again, which may have been revoked or expired
                since. 0: never.
        """
        self._authenticator = authenticator
        self._recheck_seconds = recheck_seconds

    def around(self, handler: Handler, method: str) -> Handler:
        """See `OwnMethodsInterceptor`."""
        streaming = is_streaming(handler)
        return wrap_handler(handler, lambda context: self._admit(method, context, streaming=streaming))

    @asynccontextmanager
    async def _admit(self, method: str, context: CallContext, *, streaming: bool) -> AsyncIterator[Sending | None]:
        token = bearer_token(context)
        caller = await self._authenticator.authenticate(token)
        needed = NEEDED.get(method)
        if needed is None or not caller.may(needed):
            raise PermissionDenied(needed)
        set_caller(caller)
        if streaming and self._recheck_seconds:
            async with watched(lambda: self._prove_again(token, caller), self._recheck_seconds) as sending:
                yield sending
        else:
            yield None

    async def _prove_again(self, token: str, caller: Caller) -> None:
        """Raise `Unauthenticated` if the token has ended, or gives other rights than it gave."""
        if await self._authenticator.authenticate(token) != caller:
            raise Unauthenticated(NOT_VALID)


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
        raise Unauthenticated(NOT_VALID)
    token = value[len(_SCHEME) :].strip()
    if not token:
        raise Unauthenticated(MISSING)
    if len(token) > TOKEN_CHARS_MAX:
        raise Unauthenticated(NOT_VALID)
    return token
