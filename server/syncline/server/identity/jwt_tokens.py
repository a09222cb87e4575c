"""Callers by JSON Web Tokens, which somebody else signs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jwt

from syncline.server.errors import Unauthenticated
from syncline.server.identity.authenticator import (
    EXPIRED,
    MISSING,
    NOT_VALID,
    TOKEN_CHARS_MAX,
)
from syncline.server.identity.caller import Caller
from syncline.server.identity.jwks import KeySet
from syncline.server.identity.jwt_algorithms import VerifyingKey
from syncline.server.identity.permissions import known_permissions
from syncline.server.recently_used import RecentlyUsed
from syncline.server.store_threads import StoreThreads
from syncline.storage import Store
from syncline.storage.errors import AccountNotFound, InvalidValue

_NAME_CHARS_MAX: Final = 200
"""Of a subject, an account, or the id of a key."""
_TIMES: Final = ("exp", "nbf", "iat")
_TIME_MAX: Final = 1 << 53
"""Seconds; beyond it floating point numbers have gaps, and far beyond it there are none."""
_KNOWN_MAX: Final = 10_000
"""Tokens that are remembered."""


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What a token must say."""

    issuer: str
    audience: str
    algorithms: Collection[str]
    leeway_seconds: float
    """How far the clocks of the issuer and of this server may differ."""
    account_claim: str


class _Known(NamedTuple):
    """A token that was found good."""

    caller: Caller
    expires_at: float
    key_id: str
    key: VerifyingKey


class JwtAuthenticator:
    """Verifies a token once, and remembers it by its hash for as long as it and its key are good."""

    def __init__(
        self,
        rules: JwtRules,
        keys: KeySet,
        store: Store,
        threads: StoreThreads,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            rules: what a token must say.
            keys: what it may be signed with.
            store: has the accounts.
            threads: the store is called through them.
            now: the time, in seconds, to tell when a token that is remembered expires.
        """
        self._rules = rules
        self._keys = keys
        self._store = store
        self._threads = threads
        self._now = now
        self._known = RecentlyUsed[bytes, _Known](_KNOWN_MAX)

    async def authenticate(self, token: str) -> Caller:
        """See `Authenticator`."""
        if not token:
            raise Unauthenticated(MISSING)
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise Unauthenticated(NOT_VALID)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None or self._keys.known(known.key_id) is not known.key:
            known = await self._verify(token)
            self._known.put(digest, known)
        if known.expires_at <= self._now():
            self._known.drop(digest)
            raise Unauthenticated(EXPIRED)
        return known.caller

    async def _verify(self, token: str) -> _Known:
        key_id, algorithm = self._header(token)
        key = await self._keys.find(key_id)
        if key is None or algorithm not in key.algorithms:
            raise Unauthenticated(NOT_VALID)
        claims = self._claims(token, key, algorithm)
        caller = _caller(claims, self._rules.account_claim, key_id)
        try:
            await self._threads.run(self._store.get_head, caller.account_id)
        except (AccountNotFound, InvalidValue):
            raise Unauthenticated(NOT_VALID) from None
        return _Known(caller, int(claims["exp"]) + self._rules.leeway_seconds, key_id, key)

    def _header(self, token: str) -> tuple[str, str]:
        """The key's id and the algorithm that the token names: what anybody may have written."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthenticated(NOT_VALID) from None
        key_id, algorithm = header.get("kid"), header.get("alg")
        # Extensions that a token calls critical are not known here, so it must not be taken.
        if not isinstance(key_id, str) or len(key_id) > _NAME_CHARS_MAX or "crit" in header:
            raise Unauthenticated(NOT_VALID)
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms:
            raise Unauthenticated(NOT_VALID)
        return key_id, algorithm

    def _claims(self, token: str, key: VerifyingKey, algorithm: str) -> Mapping[str, Any]:
        """What the token says, once its signature and its times are found good."""
        try:
            claims = jwt.decode(
                token,
                key.public_key,
                algorithms=[algorithm],
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=self._rules.leeway_seconds,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(EXPIRED) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Unauthenticated(NOT_VALID) from None
        if not all(_is_time(claims[name]) for name in _TIMES if name in claims):
            raise Unauthenticated(NOT_VALID)
        return claims


def _is_time(value: object) -> bool:
    """A number (PyJWT takes texts, too), and one that can be reckoned with as a time."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value < _TIME_MAX


def _caller(claims: Mapping[str, Any], account_claim: str, key_id: str) -> Caller:
    """Whom the claims name; what has not the form that it should have is refused, never guessed."""
    account_id, subject = claims.get(account_claim), claims.get("sub")
    for name in (account_id, subject):
        if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARS_MAX or not name.isprintable():
            raise Unauthenticated(NOT_VALID)
    scope, listed = claims.get("scope", ""), claims.get("permissions", [])
    if not isinstance(scope, str) or not _is_texts(listed):
        raise Unauthenticated(NOT_VALID)
    buckets = None
    if "buckets" in claims:
        given = claims["buckets"]
        if not isinstance(given, dict) or not all(_is_texts(names) for names in given.values()):
            raise Unauthenticated(NOT_VALID)
        buckets = {scope_name: frozenset(names) for scope_name, names in given.items()}
    permissions = known_permissions([*scope.split(" "), *listed])
    return Caller(str(account_id), str(subject), permissions, buckets, credential=f"jwt:{key_id}")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
