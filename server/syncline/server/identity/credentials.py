"""What a server takes as proof of identity, by its settings."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid, Unauthenticated
from syncline.server.identity.api_key_text import START
from syncline.server.identity.api_keys import ApiKeyAuthenticator
from syncline.server.identity.authenticator import (
    MISSING,
    NOT_VALID,
    Authenticator,
    DevelopmentAuthenticator,
)
from syncline.server.identity.caller import Caller
from syncline.server.identity.jwks import KeySet
from syncline.server.identity.jwks_source import FileSource, jwks_source
from syncline.server.identity.jwt_tokens import JwtAuthenticator, JwtRules
from syncline.server.store_threads import StoreThreads
from syncline.storage import Store

_log = structlog.get_logger(__name__)

_THREADS: Final = 2
"""Threads that look credentials up: whoever tries many of them keeps no other thread of the store busy."""
_NOTE_THREADS: Final = 1
"""Threads that note the use of API keys, which may wait for other writes: of their own, so that no look-up waits."""

_JWT_SETTINGS: Final = ("jwt_issuer", "jwt_audience", "jwks")


def is_development(settings: Settings) -> bool:
    """Is nobody asked for credentials? So it is as long as no setting says what to take for one."""
    return not settings.api_keys and not any(getattr(settings, name) for name in _JWT_SETTINGS)


def check_credentials(settings: Settings) -> None:
    """Are the settings of credentials whole? What they name is not read.

    Raises:
        SettingsInvalid: settings of JWT are missing, or `jwks` is no address to trust.
    """
    given = [name for name in _JWT_SETTINGS if getattr(settings, name)]
    missing = [name for name in _JWT_SETTINGS if name not in given]
    if given and missing:
        raise SettingsInvalid(f"{', '.join(missing)}: needed with {', '.join(given)}")
    if settings.jwks:
        jwks_source(settings.jwks)


class Credentials:
    """The authenticator of a server, with what keeps it up to date. Make it inside a running event loop."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Put it together.

        Raises:
            SettingsInvalid: see `check_credentials`.
        """
        check_credentials(settings)
        self._settings = settings
        self._threads = StoreThreads(_THREADS)
        self._note_threads = StoreThreads(_NOTE_THREADS)
        self._keys: KeySet | None = None
        self.authenticator: Authenticator = self._authenticator(store)
        self.recheck_seconds = 0.0 if is_development(settings) else settings.credential_cache_seconds
        """How often a stream that is open asks again whether its caller is still who he was; 0: never."""

    async def keep_fresh(self) -> None:
        """Read the keys of tokens again and again, if there are any; a file's as soon as it changes."""
        keys, settings = self._keys, self._settings
        if keys is None:
            return
        of_file = isinstance(jwks_source(settings.jwks), FileSource)
        while True:
            try:
                await keys.refresh()
            except Exception:  # noqa: BLE001  without keys nobody gets in
                _log.exception("the keys of tokens cannot be read")
            await asyncio.sleep(settings.credential_cache_seconds if of_file else settings.jwks_refresh_seconds)

    def close(self) -> None:
        """Give the threads back."""
        self._threads.close()
        self._note_threads.close()

    def _authenticator(self, store: Store) -> Authenticator:
        settings, threads = self._settings, self._threads
        if is_development(settings):
            return DevelopmentAuthenticator(settings.account)
        tokens, api_keys = None, None
        if settings.jwks:
            rules = JwtRules(
                settings.jwt_issuer,
                settings.jwt_audience,
                frozenset(settings.jwt_algorithms),
                settings.jwt_leeway_seconds,
                settings.jwt_account_claim,
            )
            self._keys = KeySet(jwks_source(settings.jwks))
            tokens = JwtAuthenticator(rules, self._keys, store, threads)
        if settings.api_keys:
            cache_seconds = settings.credential_cache_seconds
            api_keys = ApiKeyAuthenticator(store, threads, self._note_threads, cache_seconds=cache_seconds)
        return _ByForm(tokens, api_keys)


class _ByForm:
    """Tells API keys and tokens apart by their form; what is not taken here is as bad as what is no token at all."""

    def __init__(self, tokens: Authenticator | None, api_keys: Authenticator | None) -> None:
        self._tokens = tokens
        self._api_keys = api_keys

    async def authenticate(self, token: str) -> Caller:
        """See `Authenticator`."""
        if not token:
            raise Unauthenticated(MISSING)
        authenticator = self._api_keys if token.startswith(START) else self._tokens
        if authenticator is None:
            raise Unauthenticated(NOT_VALID)
        return await authenticator.authenticate(token)
