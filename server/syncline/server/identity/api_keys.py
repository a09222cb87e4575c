"""Callers by their API keys."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from contextvars import Context
from typing import Final, NamedTuple

import structlog

from syncline.server.environment import now_us
from syncline.server.errors import Unauthenticated
from syncline.server.identity.api_key_text import read_api_key, secret_hash
from syncline.server.identity.authenticator import EXPIRED, MISSING, NOT_VALID
from syncline.server.identity.caller import Caller
from syncline.server.identity.permissions import known_permissions
from syncline.server.recently_used import RecentlyUsed
from syncline.server.store_threads import StoreThreads
from syncline.storage import Store
from syncline.storage.api_key_models import USE_INTERVAL_US, ApiKey
from syncline.storage.errors import StoreError

_log = structlog.get_logger(__name__)

_KNOWN_MAX: Final = 10_000
"""Keys that are remembered."""


class _Known(NamedTuple):
    """A key as the store had it."""

    key: ApiKey
    caller: Caller
    until: float
    """Of the steady clock: then the store is asked again."""


class ApiKeyAuthenticator:
    """Asks the store for a key, and remembers the answer for a moment. Keys that are not there are not remembered."""

    def __init__(
        self,
        store: Store,
        threads: StoreThreads,
        note_threads: StoreThreads,
        *,
        cache_seconds: float,
        now: Callable[[], int] = now_us,
    ) -> None:
        """Prepare.

        Args:
            store: has the keys, of all accounts.
            threads: the store is asked through them.
            note_threads: and told through these that a key was used: a write may wait for others, a caller must not.
            cache_seconds: how long a key may go on after it was revoked.
            now: the time, in microseconds.
        """
        self._store = store
        self._threads = threads
        self._note_threads = note_threads
        self._cache_seconds = cache_seconds
        self._now = now
        self._known = RecentlyUsed[str, _Known](_KNOWN_MAX)
        self._asked: dict[str, asyncio.Task[_Known | None]] = {}
        self._noted: dict[str, asyncio.Task[None]] = {}

    async def authenticate(self, token: str) -> Caller:
        """See `Authenticator`."""
        if not token:
            raise Unauthenticated(MISSING)
        text = read_api_key(token)
        known = await self._find(text.prefix) if text is not None else None
        if text is None or known is None or not hmac.compare_digest(secret_hash(text.secret), known.key.secret_hash):
            raise Unauthenticated(NOT_VALID)
        if known.key.revoked_at:
            raise Unauthenticated(NOT_VALID)
        if 0 < known.key.expires_at <= self._now():
            raise Unauthenticated(EXPIRED)
        return known.caller

    async def _find(self, prefix: str) -> _Known | None:
        known = self._known.get(prefix)
        if known is not None and time.monotonic() < known.until:
            return known
        # Of many calls at once with one key, one asks. It goes on if the call that began it is cancelled.
        asked = self._asked.get(prefix)
        if asked is None:
            asked = self._asked[prefix] = asyncio.create_task(self._ask(prefix))
            asked.add_done_callback(lambda _: self._asked.pop(prefix, None))
        return await asyncio.shield(asked)

    async def _ask(self, prefix: str) -> _Known | None:
        until = time.monotonic() + self._cache_seconds
        found = await self._threads.run(self._store.find_api_key, prefix)
        if found is None:
            self._known.drop(prefix)
            return None
        account_id, key = found
        self._note_use(account_id, key)
        caller = Caller(
            account_id, key.name, known_permissions(key.permissions), key.buckets, credential=f"api_key:{key.prefix}"
        )
        known = _Known(key, caller, until)
        self._known.put(prefix, known)
        return known

    def _note_use(self, account_id: str, key: ApiKey) -> None:
        """Have it noted that the key is used, if that is due. Nobody waits for it."""
        now = self._now()
        if key.revoked_at or key.last_used_at >= now - USE_INTERVAL_US or key.prefix in self._noted:
            return
        # In a context of its own: it is no part of the call's trace.
        noted = asyncio.create_task(self._note(account_id, key.prefix, now), context=Context())
        self._noted[key.prefix] = noted
        noted.add_done_callback(lambda _: self._noted.pop(key.prefix, None))

    async def _note(self, account_id: str, prefix: str, now: int) -> None:
        try:
            await self._note_threads.run(self._store.note_api_key_use, account_id, prefix, now=now)
        except StoreError as error:  # it is noted when the store is asked for the key again
            _log.warning("the use of an API key is not noted", account=account_id, prefix=prefix, error=str(error))
