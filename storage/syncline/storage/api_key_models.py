"""API keys as a store keeps them. It never has a key's secret, only a hash of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncline.storage.limits import check_text, check_texts

USE_INTERVAL_US = 3_600_000_000
"""The last use of a key is not written more often than this."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a service proves itself with."""

    prefix: str
    """The public part: what the key is found, listed and revoked by. No two keys have the same, in all accounts."""
    name: str
    """Who uses it. Several keys may have one name: a new one is given out before the old one is revoked."""
    secret_hash: bytes
    permissions: frozenset[str]
    buckets: Mapping[str, frozenset[str]] | None
    """The buckets of each scope; None: all of all scopes."""
    created_at: int
    last_used_at: int = 0
    """To within `USE_INTERVAL_US`; 0: never."""
    expires_at: int = 0
    """0: never."""
    revoked_at: int = 0
    """0: it is in force."""


def check_api_key(key: ApiKey) -> None:
    """Raise `InvalidValue` if a string of the key cannot be kept."""
    check_text("prefix", key.prefix)
    check_text("name", key.name)
    check_texts("permissions", key.permissions)
    for scope, buckets in (key.buckets or {}).items():
        check_text("buckets.scope", scope)
        check_texts("buckets", buckets)
