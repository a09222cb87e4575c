"""The keys that seal tokens, and the seal: a message authentication code, bound to what the token is for.

Servers share the keys by the database. A key seals once every server has had the time to learn of it, and is accepted
until it is retired; a token names its key by number.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Final
from uuid import UUID

from syncline.server.errors import SettingsInvalid
from syncline.storage import Store
from syncline.storage.models import ServerSecret

PURPOSE: Final = "token"
"""Of the secrets in the store."""
LOOK_SECONDS: Final = 30
"""How often a server looks for keys."""

_KEY_BYTES = 32
_SETTLE_US = 4 * LOOK_SECONDS * 1_000_000
"""From when on a new key seals: all servers have looked for it by then, even if their clocks differ by a minute."""
_VERSION = 2
"""Of the seal. The tokens of version 1 had none."""
_HEAD = struct.Struct(">BH")
"""Version, number of the key."""
_NUMBER_MAX = (1 << 16) - 1
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True, eq=False)
class TokenKind:
    """What a token is for. One kind is never taken for another."""

    person: bytes
    mac_bytes: int


POSITION: Final = TokenKind(b"position", 8)
ACK_KEY: Final = TokenKind(b"ack key", 8)
PAGE: Final = TokenKind(b"page", 16)
LEASE: Final = TokenKind(b"lease", 16)


class UnknownSeal(Exception):
    """The token has the form of one, and a seal that nobody can tell anything of.

    Its key is not accepted any more or of another installation, it was given to somebody else, or it was changed.
    """


def sealed_chars(kind: TokenKind, body_bytes: int) -> int:
    """How long a token with so long a body is."""
    return -(-(_HEAD.size + body_bytes + kind.mac_bytes) * 4 // 3)


class TokenKeys:
    """The keys of one server, as it knows them."""

    def __init__(self) -> None:
        self.accepted: Mapping[int, bytes] = {}
        """By number."""
        self.current = (0, b"")
        """The one that seals: its number and the key."""

    def __repr__(self) -> str:
        return f"TokenKeys(current={self.current[0]}, accepted={sorted(self.accepted)})"

    def learn(self, secrets: Sequence[ServerSecret], *, now: int) -> None:
        """Accept these keys, in their order, and no others; seal with the newest that every server knows."""
        settled = [secret for secret in secrets if _is_settled(secret, now)]
        newest = settled[-1] if settled else secrets[0]
        self.accepted = {secret.number: secret.secret for secret in secrets}
        self.current = (newest.number, newest.secret)


class Sealer:
    """Seals tokens of one account, or of one of its devices, and opens those that it sealed."""

    def __init__(self, keys: TokenKeys, account_id: str, device_uuid: UUID | None = None) -> None:
        self._keys = keys
        self._owner = account_id.encode() + b"\0" + (device_uuid.bytes if device_uuid else b"")
        self._begun: dict[tuple[TokenKind, int], blake2b] = {}

    def seal(self, kind: TokenKind, body: bytes) -> str:
        """The token with this body, in URL-safe base64 without padding."""
        number, key = self._keys.current
        sealed = _HEAD.pack(_VERSION, number) + body
        return _text(sealed + self._mac(kind, number, key, sealed))

    def unseal(self, kind: TokenKind, token: str) -> bytes | None:
        """The token's body; None if it is no token.

        Raises:
            UnknownSeal: it was not sealed here for this, or with a key that is retired.
        """
        try:
            whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        sealed, mac = whole[: -kind.mac_bytes], whole[-kind.mac_bytes :]
        if len(sealed) < _HEAD.size or _text(whole) != token:
            return None
        version, number = _HEAD.unpack_from(sealed)
        if version != _VERSION:
            return None
        key = self._keys.accepted.get(number)
        if key is None or not compare_digest(mac, self._mac(kind, number, key, sealed)):
            raise UnknownSeal
        return sealed[_HEAD.size :]

    def _mac(self, kind: TokenKind, number: int, key: bytes, sealed: bytes) -> bytes:
        # A stream makes a key for each of its items: what all of them begin with is hashed once.
        begun = self._begun.get((kind, number))
        if begun is None:
            begun = blake2b(
                len(self._owner).to_bytes(4) + self._owner, digest_size=kind.mac_bytes, key=key, person=kind.person
            )
            self._begun[kind, number] = begun
        mac = begun.copy()
        mac.update(sealed)
        return mac.digest()


def load_token_keys(store: Store, *, now: int) -> list[ServerSecret]:
    """The keys that servers share; the first one is made by whoever starts first."""
    if not (secrets := store.list_server_secrets(PURPOSE)):
        store.add_server_secret(PURPOSE, 1, os.urandom(_KEY_BYTES), now=now)
        secrets = store.list_server_secrets(PURPOSE)
    return secrets


def rotate_token_keys(store: Store, *, now: int) -> int:
    """Make a new key; its number.

    Raises:
        SettingsInvalid: all numbers are used up.
    """
    while True:
        number = load_token_keys(store, now=now)[-1].number + 1
        if number > _NUMBER_MAX:
            raise SettingsInvalid(f"there were {_NUMBER_MAX:,} token keys already")
        if store.add_server_secret(PURPOSE, number, os.urandom(_KEY_BYTES), now=now):
            return number


def retire_token_key(store: Store, number: int, *, now: int) -> None:
    """Accept a key no more: what it sealed is worth nothing from now on.

    Raises:
        SettingsInvalid: there is no such key, or servers still seal with it.
    """
    secrets = load_token_keys(store, now=now)
    if number not in [secret.number for secret in secrets]:
        raise SettingsInvalid(f"there is no token key {number}")
    if number == secrets[-1].number or not _is_settled(secrets[-1], now):
        raise SettingsInvalid(f"servers may still seal with token key {number}; rotate, and wait for two minutes")
    store.remove_server_secret(PURPOSE, number)


def _is_settled(secret: ServerSecret, now: int) -> bool:
    return secret.created_at + _SETTLE_US <= now


def _text(whole: bytes) -> str:
    return binascii.b2a_base64(whole, newline=False).translate(_URL_SAFE, b"=").decode("ascii")
