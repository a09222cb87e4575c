"""Ids that a store makes, and digests that stand for longer names."""

from __future__ import annotations

import hashlib
import secrets


def random_id() -> int:
    """A random id: above 0, below 2^63, so that it fits every database's integer and is never made twice."""
    return secrets.randbelow((1 << 63) - 1) + 1


def item_digest(object_type: str, key: str) -> int:
    """64 bits that stand for a record in an acknowledgement key, as an unsigned integer."""
    digest = hashlib.blake2b(digest_size=8)
    name = object_type.encode()
    digest.update(len(name).to_bytes(4))
    digest.update(name)
    digest.update(key.encode())
    return int.from_bytes(digest.digest())
