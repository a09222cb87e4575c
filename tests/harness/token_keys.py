"""Sealers for tests that need no server."""

from __future__ import annotations

from uuid import UUID

from syncline.server.token_keys import Sealer, TokenKeys
from syncline.storage.models import ServerSecret

DEVICE_UUID = UUID(int=1)


def known_keys(*numbers: int) -> TokenKeys:
    """Keys with these numbers, made long ago; the last one seals."""
    keys = TokenKeys()
    keys.learn([ServerSecret(number, bytes([number]) * 32, 0) for number in numbers], now=1 << 62)
    return keys


def sealer_of(account_id: str = "acme", device_uuid: UUID | None = DEVICE_UUID) -> Sealer:
    """A sealer with key 1."""
    return Sealer(known_keys(1), account_id, device_uuid)
