"""The public keys that tokens are signed with, kept up to date."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog

from syncline.server.identity.jwks_source import JwksSource, JwksUnavailable
from syncline.server.identity.jwt_algorithms import VerifyingKey, read_jwk

_log = structlog.get_logger(__name__)

_KEYS_MAX: Final = 100
UNKNOWN_PAUSE_SECONDS: Final = 5.0
"""A key id that is not known makes the set be read again, and not more often than this, whoever asks."""


class KeySet:
    """The keys by their id. A set that cannot be read leaves what is known as it is, however long."""

    def __init__(self, source: JwksSource, *, pause_seconds: float = UNKNOWN_PAUSE_SECONDS) -> None:
        self._source = source
        self._pause_seconds = pause_seconds
        self._keys: dict[str, VerifyingKey] = {}
        self._read_at = float("-inf")
        self._stamp: object = None
        self._reading: asyncio.Task[None] | None = None

    def known(self, key_id: str) -> VerifyingKey | None:
        """The key, if it is one of the set as it is known; the same object for as long as the key is the same."""
        return self._keys.get(key_id)

    async def find(self, key_id: str) -> VerifyingKey | None:
        """The key; the set is read again if it is not known, unless that was done just now."""
        key = self._keys.get(key_id)
        if key is None and (self._reading is not None or time.monotonic() >= self._read_at + self._pause_seconds):
            await self._read_once()
            key = self._keys.get(key_id)
        return key

    async def refresh(self) -> None:
        """Read the set again, unless it is a file that did not change."""
        if self._stamp is None or self._stamp != await asyncio.to_thread(self._source.stamp):
            await self._read_once()

    async def _read_once(self) -> None:
        """Of many who want it at once, one reads. It goes on if the call that began it is cancelled."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        try:
            stamp = await asyncio.to_thread(self._source.stamp)
            found = read_set(await asyncio.to_thread(self._source.read))
        except JwksUnavailable as error:
            _log.warning("the keys of tokens cannot be read", source=self._source.name, why=str(error))
        else:
            before, self._stamp = self._keys, stamp
            # A token that was verified stays so only as long as its key is the very same.
            self._keys = {
                key_id: before[key_id] if key_id in before and before[key_id].document == key.document else key
                for key_id, key in found.items()
            }
            if before.keys() != self._keys.keys():
                _log.info("keys of tokens", source=self._source.name, key_ids=sorted(self._keys))
        finally:
            self._read_at = time.monotonic()
            self._reading = None


def read_set(text: bytes) -> dict[str, VerifyingKey]:
    """The keys that can be used; `JwksUnavailable`: it is no set."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise JwksUnavailable("it is no JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > _KEYS_MAX:
        raise JwksUnavailable(f"it is no set of up to {_KEYS_MAX} keys")
    keys: dict[str, VerifyingKey] = {}
    for entry in entries:
        key_id = entry.get("kid") if isinstance(entry, dict) else None
        if not isinstance(key_id, str):
            _log.warning("a key without an id (kid) is left out")
            continue
        key = _read_key(key_id, entry)
        if key is not None:
            keys[key_id] = key
    return keys


def _read_key(key_id: str, document: Mapping[str, Any]) -> VerifyingKey | None:
    try:
        return read_jwk(document)
    except ValueError as error:
        _log.warning("a key is left out", key_id=key_id, why=str(error))
        return None
