"""Who calls a server that is fuzzed: people and services of two accounts, and what is no credential at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from syncline.server.environment import now_us
from syncline.server.identity.api_key_text import new_api_key, secret_hash
from syncline.server.identity.permissions import Permission
from syncline.storage import Store
from syncline.storage.api_key_models import ApiKey
from tests.harness.issuer import IDENTITY, ISSUER, claims, ec_key, jwks, signed
from tests.harness.secrets import secret

ACCOUNTS: Final = ("acme", "globex")
"""Those whose callers send anything."""
CALM: Final = "calm"
"""An account with one device, which behaves well."""
STILL: Final = "still"
"""An account that nobody calls."""

_EVERYTHING: Final = " ".join(Permission)


@dataclass(frozen=True)
class Identity:
    """What calls carry."""

    name: str
    token: str = ""

    def metadata(self, rng: Random) -> Sequence[tuple[str, str]]:
        """With its token, which is not whole now and then."""
        if not self.token:
            return ()
        token = self.token
        if rng.random() < 0.03:
            at = rng.randrange(len(token))
            token = rng.choice(
                (token[:at], token[:at] + rng.choice("Az0._-") + token[at + 1 :], token + "=", token * 9)
            )
        return (("authorization", f"Bearer {token}"),)


NOBODY: Final = Identity("developer")
"""Everybody, in development mode."""


class Desk:
    """Gives out credentials for a store, in a folder that holds the keys which the server is to trust."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._key = ec_key()
        path = folder / "jwks.json"
        path.write_bytes(jwks(one=self._key))
        self.settings: dict[str, object] = {**IDENTITY, "jwks": str(path), "api_keys": "true"}
        """What the server has to be told."""

    def api_key(self, account_id: str, *permissions: str) -> str:
        """A key for a service; with all permissions if none is named."""
        text, parts = new_api_key()
        granted = frozenset(permissions or Permission)
        key = ApiKey(parts.prefix, "service", secret_hash(parts.secret), granted, None, created_at=now_us())
        self._store.create_api_key(account_id, key)
        return secret(text, text[-44:])

    def token(self, account_id: str, **changes: Any) -> str:
        """A token for a person, good for a day; a claim that is None is left out."""
        lasting = {"account": account_id, "scope": _EVERYTHING, "exp": int(time.time()) + 86_400}
        return signed(self._key, claims(**(lasting | changes)))

    def identities(self) -> list[Identity]:
        """Of both accounts, with many permissions and with few, and some that must not be let in."""
        found = []
        for account_id in ACCOUNTS:
            found += [
                Identity(f"a person of {account_id}", self.token(account_id)),
                Identity(f"another of {account_id}", self.token(account_id, sub="bob", buckets={"main": [""]})),
                Identity(f"a service of {account_id}", self.api_key(account_id)),
                Identity(f"a reader of {account_id}", self.token(account_id, sub="eve", scope="sync requests.read")),
                Identity(f"a worker of {account_id}", self.api_key(account_id, "requests.write")),
            ]
        odd: Sequence[dict[str, Any]] = (
            {"exp": 1},
            {"aud": "another"},
            {"iss": f"{ISSUER}/"},
            {"buckets": {"main": "all"}},
            {"account": "gone"},
            {"account": "a\0b"},
            {"scope": 7},
        )
        refused = [Identity("nobody", self.token(ACCOUNTS[0], **changes)) for changes in odd]
        return [*found * 5, *refused]
