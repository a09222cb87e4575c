"""Bearer tokens: where they come from, how long they are used, and when another one is asked for."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from syncline.client.errors import InvalidOption, TokenUnavailable

IssuedToken = str | tuple[str, datetime]
"""A bearer token, alone or with the time until which it holds."""

Token = str | Callable[[], IssuedToken | Awaitable[IssuedToken]]
"""A bearer token, or a function that gives one. Clients for asyncio run a plain function in a thread; only they take a
coroutine function.

What it gives is used until shortly before it expires, if that is told with it or stands in it (a JWT's `exp`);
otherwise the function is called before every call. It is also called once when the server does not take the token. It
never runs twice at a time, and what it raises becomes the cause of a `TokenUnavailable`.
"""

_EARLY_S_MAX = 60.0
_EARLY_SHARE = 0.2
"""A token is replaced so long before its end: a minute, or this share of its time if that is shorter."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token that was given."""

    token: str
    replace_at: float
    """In seconds since the epoch; 0: it is not known how long it holds."""

    @classmethod
    def of(cls, issued: object) -> _Held:
        """Check what a function gave.

        Raises:
            TokenUnavailable: it is no token.
        """
        token, end = issued if isinstance(issued, tuple) and len(issued) == 2 else (issued, None)
        if not (isinstance(token, str) and token and _fits_a_header(token)):
            raise TokenUnavailable("the token function must give printable ASCII, without line breaks")
        if end is None:
            ends_at = _jwt_end(token)
        elif isinstance(end, datetime) and end.tzinfo is not None:
            ends_at = end.timestamp()
        else:
            raise TokenUnavailable("the token function must give the token's end as a datetime with a time zone")
        if ends_at is None:
            return cls(token, 0.0)
        return cls(token, ends_at - min(_EARLY_S_MAX, _EARLY_SHARE * (ends_at - time.time())))


_NONE = _Held("", 0.0)


class _Hand:
    """The token in hand, of a function that gives tokens; or one that never changes."""

    def __init__(self, token: Token | None) -> None:
        self._function = token if callable(token) else None
        self._fixed = None if callable(token) else token
        self.is_coroutine_function = inspect.iscoroutinefunction(token)
        self._held = _NONE
        self._is_new = False
        """It was got after a refusal, and not used yet."""

    @property
    def renewable(self) -> bool:
        """Is there anybody to ask for another token?"""
        return self._function is not None

    def call(self) -> object:
        """Ask for a token, if it is `renewable`."""
        return self._function() if self._function is not None else self._fixed

    def usable(self) -> bool:
        """Need nobody be asked?"""
        return self._function is None or self._is_new or self._held.replace_at > time.time()

    def use(self) -> str | None:
        """The token to send; None: none.

        Raises:
            InvalidOption: the one that never changes cannot be sent in a header.
        """
        self._is_new = False
        if self._function is not None:
            return self._held.token
        if self._fixed is not None and not _fits_a_header(self._fixed):  # gRPC would print it
            raise InvalidOption("the token must be printable ASCII, without line breaks")
        return self._fixed

    def is_other_than(self, refused: str | None) -> bool:
        """Is there a token to try in place of the refused one?"""
        return self._function is not None and self._held.token != refused

    def take(self, issued: object, *, after_refusal: bool = False) -> None:
        """Hold what the function gave; `TokenUnavailable` if it is no token."""
        self._held = _Held.of(issued)
        self._is_new = after_refusal


class Tokens:
    """The tokens of one connection. Threads may share it."""

    def __init__(self, token: Token | None) -> None:
        """Take the token or its function.

        Raises:
            InvalidOption: it is a coroutine function.
        """
        if inspect.iscoroutinefunction(token):
            raise InvalidOption("the token is a coroutine function, which only clients for asyncio take")
        self._hand = _Hand(token)
        self._lock = threading.Lock()

    def current(self) -> str | None:
        """The token to send now; None: none.

        Raises:
            InvalidOption: it cannot be sent in a header.
            TokenUnavailable: its function failed.
        """
        with self._lock:
            if not self._hand.usable():
                self._hand.take(self._ask())
            return self._hand.use()

    def renew(self, refused: str | None) -> bool:
        """Get another token for the one that the server has refused. Is there one?

        Raises:
            TokenUnavailable: the function failed.
        """
        if not self._hand.renewable:
            return False
        with self._lock:
            if not self._hand.is_other_than(refused):  # else another thread was here first
                self._hand.take(self._ask(), after_refusal=True)
            return self._hand.is_other_than(refused)

    def _ask(self) -> object:
        try:
            return self._hand.call()
        except Exception as error:
            raise _failed(error) from error


class AsyncTokens:
    """The tokens of one connection, inside one event loop."""

    def __init__(self, token: Token | None) -> None:
        self._hand = _Hand(token)
        self._lock = asyncio.Lock()
        self._in_thread: asyncio.Task[object] | None = None
        """A plain function that is running, be it for somebody who does not wait for it any more."""

    def is_ready(self) -> bool:
        """Is `current` there without waiting?"""
        return self._hand.usable()

    def ready(self) -> str | None:
        """The token to send now, if `is_ready`.

        Raises:
            InvalidOption: it cannot be sent in a header.
        """
        return self._hand.use()

    async def current(self) -> str | None:
        """See `Tokens.current`."""
        if self._hand.usable():
            return self._hand.use()
        async with self._lock:
            if not self._hand.usable():
                self._hand.take(await self._ask())
            return self._hand.use()

    async def renew(self, refused: str | None) -> bool:
        """See `Tokens.renew`."""
        if not self._hand.renewable:
            return False
        async with self._lock:
            if not self._hand.is_other_than(refused):
                self._hand.take(await self._ask(), after_refusal=True)
            return self._hand.is_other_than(refused)

    async def _ask(self) -> object:
        try:
            issued = self._hand.call() if self._hand.is_coroutine_function else await self._call_in_thread()
            return await issued if inspect.isawaitable(issued) else issued
        except Exception as error:
            raise _failed(error) from error

    async def _call_in_thread(self) -> object:
        """What the function gives. If its caller is cancelled it goes on, and the next one gets what it gives then."""
        if self._in_thread is None:
            self._in_thread = asyncio.create_task(asyncio.to_thread(self._hand.call), name="get a token")
            self._in_thread.add_done_callback(self._forget_thread)
        return await asyncio.shield(self._in_thread)

    def _forget_thread(self, _: asyncio.Task[object]) -> None:
        self._in_thread = None


def _failed(error: Exception) -> TokenUnavailable:
    return TokenUnavailable(f"no token: {type(error).__name__}: {error}")


def _fits_a_header(token: str) -> bool:
    return token.isascii() and token.isprintable()


def _jwt_end(token: str) -> float | None:
    """When a JWT says that it ends; None: it is none, or does not say. Nothing is verified: that is the server's."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    body = parts[1]
    try:
        end = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"]
    except (ValueError, KeyError, TypeError):
        return None
    return float(end) if isinstance(end, int | float) else None
