"""Secrets of enrollments, sealed: only a server with the key reads them, and only as secrets of their own enrollment.

A sealed blob is a version, the id of the key, a nonce, the secrets' names, which are no secret, and the secrets as
encrypted by AES-256-GCM. All that stands before them, the account and the enrollment are authenticated with them, so
that a blob that was moved to another enrollment, or whose names were changed, is not opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncline.server.config import Settings
from syncline.server.enrollments.secret_keys import SecretKeys

_VERSION = 1
_NONCE_BYTES = 12
_HEAD = struct.Struct(f">B8s{_NONCE_BYTES}sI")
"""Version, key id, nonce, bytes of the names that follow."""


class SecretsSealed(Exception):
    """The secrets cannot be sealed or opened here: the server has no key, another one, or the blob is not whole."""


class SecretBox:
    """Seals secrets with one key, and opens those of that key and of previous ones; without a key it does neither."""

    def __init__(self, key: bytes | None, previous: Sequence[bytes] = (), *, keys: SecretKeys | None = None) -> None:
        """Take these keys, and those of `keys` from when they change on."""
        self._keys = keys
        self._take(key, previous)

    def __repr__(self) -> str:
        return f"SecretBox({'with' if self._ciphers else 'without'} a key)"

    @property
    def has_key(self) -> bool:
        """Can it seal and open at all?"""
        return bool(self._ciphers)

    def is_of_newest_key(self, sealed: bytes) -> bool:
        """Was the blob sealed with the key that seals now? An empty one needs none."""
        return not sealed or _read_head(sealed)[1] == self._need_newest()

    def seal(self, account_id: str, enrollment_id: str, secrets: Mapping[str, str]) -> bytes:
        """The blob that holds the secrets; empty if there are none.

        Raises:
            SecretsSealed: the server has no key.
        """
        if not secrets:
            return b""
        key_id = self._need_newest()
        nonce = os.urandom(_NONCE_BYTES)
        names = json.dumps(sorted(secrets)).encode()
        head = _HEAD.pack(_VERSION, key_id, nonce, len(names)) + names
        values = json.dumps(dict(secrets)).encode()
        return head + self._ciphers[key_id].encrypt(nonce, values, _bound_to(head, account_id, enrollment_id))

    def open(self, account_id: str, enrollment_id: str, sealed: bytes) -> dict[str, str]:
        """The secrets of a blob that was sealed for this enrollment.

        Raises:
            SecretsSealed: the server has no key or another one, or the blob is not the one that was sealed.
        """
        if not sealed:
            return {}
        self._need_newest()
        version, key_id, nonce, head_bytes = _read_head(sealed)
        if version != _VERSION:
            raise SecretsSealed(f"the secrets were sealed by another version of the server: {version}")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SecretsSealed("the secrets were sealed with another secret_key than this server has")
        try:
            bound_to = _bound_to(sealed[:head_bytes], account_id, enrollment_id)
            values = cipher.decrypt(nonce, sealed[head_bytes:], bound_to)
        except InvalidTag:
            raise SecretsSealed("the secrets are damaged, or were sealed for another enrollment") from None
        secrets: dict[str, str] = json.loads(values)
        return secrets

    def _take(self, key: bytes | None, previous: Sequence[bytes]) -> None:
        keys = [] if key is None else [key, *previous]
        # The newest one first; as one object, for other threads.
        self._ciphers = {_key_id(one): AESGCM(one) for one in keys}

    def _need_newest(self) -> bytes:
        """The id of the key that seals."""
        changed = None if self._keys is None else self._keys.read_changed()
        if changed is not None:
            self._take(*changed)
        newest = next(iter(self._ciphers), None)
        if newest is None:
            raise SecretsSealed("this server has no key for secrets: set secret_key or secret_key_file")
        return newest


def secret_names(sealed: bytes) -> list[str]:
    """The names of the secrets in a blob, sorted; they need no key."""
    if not sealed:
        return []
    head_bytes = _read_head(sealed)[3]
    names: list[str] = json.loads(sealed[_HEAD.size : head_bytes])
    return names


def secret_box(settings: Settings) -> SecretBox:
    """The box with the keys that the settings name; it follows their files.

    Raises:
        SettingsInvalid: a key is given twice, a file cannot be read, or what is given is no key. It is never told what.
    """
    keys = SecretKeys(settings)
    first, previous = keys.read()
    return SecretBox(first, previous, keys=keys)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"syncline secret key " + key).digest()[:8]


def _read_head(sealed: bytes) -> tuple[int, bytes, bytes, int]:
    """Version, key id, nonce, and how many bytes all of the head has."""
    if len(sealed) < _HEAD.size:
        raise SecretsSealed("the secrets are damaged")
    version, key_id, nonce, names_bytes = _HEAD.unpack_from(sealed)
    return version, key_id, nonce, _HEAD.size + names_bytes


def _bound_to(head: bytes, account_id: str, enrollment_id: str) -> bytes:
    """What is authenticated with the secrets; no two of its parts can be taken for each other."""
    return head + json.dumps([account_id, enrollment_id]).encode()
