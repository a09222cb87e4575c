"""API keys as text: `sl_PREFIX_SECRET`.

The prefix is public: logs and lists name the key by it. The secret is 32 random bytes with a checksum of all of the
key, so that a key that was not copied whole is told without a look into the database, and programs that search files
for secrets can tell a key from any other text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import zlib
from typing import Final, NamedTuple

START: Final = "sl_"
_SECRET_BYTES: Final = 32
_CHECKSUM_BYTES: Final = 4
_PREFIX_CHARS: Final = 12
_PREFIX_BYTES: Final = 8
_FORM: Final = re.compile(rf"{START}([a-z2-7]{{{_PREFIX_CHARS}}})_([A-Za-z0-9_-]{{48}})")
"""36 bytes are 48 characters of base64 with no bit to spare: no two texts are the same key."""


class KeyText(NamedTuple):
    """A key that was read."""

    prefix: str
    secret: bytes


def new_api_key() -> tuple[str, KeyText]:
    """A new key: its text, and its parts."""
    prefix = base64.b32encode(secrets.token_bytes(_PREFIX_BYTES)).decode().lower()[:_PREFIX_CHARS]
    secret = secrets.token_bytes(_SECRET_BYTES)
    ending = base64.urlsafe_b64encode(secret + _checksum(prefix, secret)).decode()
    return f"{START}{prefix}_{ending}", KeyText(prefix, secret)


def read_api_key(text: str) -> KeyText | None:
    """The parts of a key; None: it is none, or not whole."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    prefix = match[1]
    try:
        ending = base64.urlsafe_b64decode(match[2])
    except binascii.Error:
        return None
    secret, checksum = ending[:_SECRET_BYTES], ending[_SECRET_BYTES:]
    return KeyText(prefix, secret) if checksum == _checksum(prefix, secret) else None


def secret_hash(secret: bytes) -> bytes:
    """What is kept of a secret.

    A quick hash will do: slow ones are for passwords, which can be guessed. 32 random bytes cannot, however many
    hashes a second somebody makes.
    """
    return hashlib.sha256(secret).digest()


def _checksum(prefix: str, secret: bytes) -> bytes:
    return zlib.crc32(prefix.encode() + secret).to_bytes(_CHECKSUM_BYTES)
