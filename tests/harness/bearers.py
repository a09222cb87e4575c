"""Credentials for any caller, as a server of real identities takes them: tokens of an issuer, and API keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from syncline.server.environment import now_us
from syncline.server.identity.api_key_text import new_api_key, secret_hash
from syncline.server.identity.caller import Caller
from syncline.storage import Store
from syncline.storage.api_key_models import ApiKey
from tests.harness.issuer import IDENTITY, claims, ec_key, jwks, signed
from tests.harness.secrets import secret

Bearer: TypeAlias = Callable[[Caller], str]
"""Gives a caller a credential of his own."""

_KEY = ec_key()


def bearer_settings(folder: Path) -> dict[str, Any]:
    """The settings of a server that takes the credentials of both kinds. Its keys are put in the folder."""
    path = folder / "jwks.json"
    path.write_bytes(jwks(one=_KEY))
    return {**IDENTITY, "jwks": str(path), "api_keys": True}


def token_of(caller: Caller) -> str:
    """A token."""
    told: dict[str, Any] = {"account": caller.account_id, "sub": caller.principal, "scope": None}
    told["permissions"] = sorted(caller.permissions)
    if caller.buckets is not None:
        told["buckets"] = {scope: sorted(names) for scope, names in caller.buckets.items()}
    return signed(_KEY, claims(**told))


def api_keys_of(store: Store) -> Bearer:
    """Makes API keys in the store."""

    def api_key_of(caller: Caller) -> str:
        text, (prefix, proof) = new_api_key()
        permissions = frozenset(map(str, caller.permissions))
        key = ApiKey(prefix, caller.principal, secret_hash(proof), permissions, caller.buckets, created_at=now_us())
        store.create_api_key(caller.account_id, key)
        return secret(text, text[-44:])

    return api_key_of
