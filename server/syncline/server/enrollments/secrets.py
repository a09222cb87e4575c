"""Secrets of enrollments, sealed: only a server with the key reads them, and only as secrets of their own enrollment.

A sealed blob is a version, the id of the key, a nonce, the secrets' names, which are no secret, and the secrets as
encrypted by AES-256-GCM. All that stands before them, the account and the enrollment are authenticated with them, so
that a blob that was moved to another enrollment, or whose names were changed, is not opened.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid

KEY_BYTES: Final = 32

_VERSION = 1
_NONCE_BYTES = 12
_HEAD = struct.Struct(f">B8s{_NONCE_BYTES}sI")
"""Version, key id, nonce, bytes of the names that follow."""


class SecretsSealed(Exception):
    """The secrets cannot be sealed or opened here: the server has no key, another one, or the blob is not whole."""


class SecretBox:
    """Seals and opens secrets with one key; without a key it does neither."""

    def __init__(self, key: bytes | None) -> None:
        self._cipher = AESGCM(key) if key is not None else None
        self._key_id = hashlib.sha256(b"syncline secret key " + key).digest()[:8] if key is not None else b""

    def __repr__(self) -> str:
        return f"SecretBox({'with' if self._cipher else 'without'} a key)"

    def seal(self, account_id: str, enrollment_id: str, secrets: Mapping[str, str]) -> bytes:
        """The blob that holds the secrets; empty if there are none.

        Raises:
            SecretsSealed: the server has no key.
        """
        if not secrets:
            return b""
        cipher = self._need_cipher()
        nonce = os.urandom(_NONCE_BYTES)
        names = json.dumps(sorted(secrets)).encode()
        head = _HEAD.pack(_VERSION, self._key_id, nonce, len(names)) + names
        values = json.dumps(dict(secrets)).encode()
        return head + cipher.encrypt(nonce, values, _bound_to(head, account_id, enrollment_id))

    def open(self, account_id: str, enrollment_id: str, sealed: bytes) -> dict[str, str]:
        """The secrets of a blob that was sealed for this enrollment.

        Raises:
            SecretsSealed: the server has no key or another one, or the blob is not the one that was sealed.
        """
        if not sealed:
            return {}
        cipher = self._need_cipher()
        version, key_id, nonce, head_bytes = _read_head(sealed)
        if version != _VERSION:
            raise SecretsSealed(f"the secrets were sealed by another version of the server: {version}")
        if key_id != self._key_id:
            raise SecretsSealed("the secrets were sealed with another secret_key than this server has")
        try:
            bound_to = _bound_to(sealed[:head_bytes], account_id, enrollment_id)
            values = cipher.decrypt(nonce, sealed[head_bytes:], bound_to)
        except InvalidTag:
            raise SecretsSealed("the secrets are damaged, or were sealed for another enrollment") from None
        secrets: dict[str, str] = json.loads(values)
        return secrets

    def _need_cipher(self) -> AESGCM:
        if self._cipher is None:
            raise SecretsSealed("this server has no key for secrets: set secret_key or secret_key_file")
        return self._cipher


def secret_names(sealed: bytes) -> list[str]:
    """The names of the secrets in a blob, sorted; they need no key."""
    if not sealed:
        return []
    head_bytes = _read_head(sealed)[3]
    names: list[str] = json.loads(sealed[_HEAD.size : head_bytes])
    return names


def secret_box(settings: Settings) -> SecretBox:
    """The box with the key that the settings name.

    Raises:
        SettingsInvalid: two keys are given, the file cannot be read, or what is given is no key. It is never told what.
    """
    text, source = settings.secret_key.get_secret_value(), "secret_key"
    if settings.secret_key_file:
        if text:
            raise SettingsInvalid("secret_key, secret_key_file: only one of them can be set")
        source = "secret_key_file"
        try:
            text = Path(settings.secret_key_file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is no text"
            raise SettingsInvalid(f"secret_key_file: cannot read {settings.secret_key_file}: {why}") from None
    if not text.strip():
        if settings.secret_key_file:
            raise SettingsInvalid(f"{source}: must be {KEY_BYTES} bytes in base64, and is empty")
        return SecretBox(None)
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsInvalid(f"{source}: must be {KEY_BYTES} bytes in base64, and is no base64") from None
    if len(key) != KEY_BYTES:
        raise SettingsInvalid(f"{source}: must be {KEY_BYTES} bytes in base64, and has {len(key)}")
    return SecretBox(key)


def _read_head(sealed: bytes) -> tuple[int, bytes, bytes, int]:
    """Version, key id, nonce, and how many bytes all of the head has."""
    if len(sealed) < _HEAD.size:
        raise SecretsSealed("the secrets are damaged")
    version, key_id, nonce, names_bytes = _HEAD.unpack_from(sealed)
    return version, key_id, nonce, _HEAD.size + names_bytes


def _bound_to(head: bytes, account_id: str, enrollment_id: str) -> bytes:
    """What is authenticated with the secrets; no two of its parts can be taken for each other."""
    return head + json.dumps([account_id, enrollment_id]).encode()
