"""API keys in the model."""

from __future__ import annotations

from dataclasses import replace

from syncline.storage.api_key_models import USE_INTERVAL_US, ApiKey, check_api_key
from syncline.storage.audit_models import Act
from syncline.storage.errors import ApiKeyNotFound, ApiKeyTaken
from syncline.storage.limits import check_act, check_text
from syncline.storage.memory.state import MemoryState


class MemoryApiKeys(MemoryState):
    """`ApiKeyStore`."""

    def create_api_key(self, account_id: str, key: ApiKey, *, act: Act | None = None) -> None:
        """See `ApiKeyStore.create_api_key`."""
        check_api_key(key)
        check_act(act)
        with self._transaction(account_id) as account:
            if any(key.prefix in other.api_keys for other in self._accounts.values()):
                raise ApiKeyTaken(f"there is an API key {key.prefix} already")
            account.api_keys[key.prefix] = key
            account.note_act(act)

    def list_api_keys(self, account_id: str) -> list[ApiKey]:
        """See `ApiKeyStore.list_api_keys`."""
        with self._transaction(account_id) as account:
            return sorted(account.api_keys.values(), key=lambda key: (key.name, key.prefix))

    def revoke_api_key(self, account_id: str, prefix: str, *, now: int, act: Act | None = None) -> ApiKey:
        """See `ApiKeyStore.revoke_api_key`."""
        check_text("prefix", prefix)
        check_act(act)
        with self._transaction(account_id) as account:
            key = account.api_keys.get(prefix)
            if key is None:
                raise ApiKeyNotFound(f"there is no API key {prefix!r}")
            account.api_keys[prefix] = replace(key, revoked_at=key.revoked_at or now)
            account.note_act(act)
            return account.api_keys[prefix]

    def find_api_key(self, prefix: str) -> tuple[str, ApiKey] | None:
        """See `ApiKeyStore.find_api_key`."""
        check_text("prefix", prefix)
        with self._lock:
            for account_id, account in self._accounts.items():
                if prefix in account.api_keys:
                    return account_id, account.api_keys[prefix]
            return None

    def note_api_key_use(self, account_id: str, prefix: str, *, now: int) -> None:
        """See `ApiKeyStore.note_api_key_use`."""
        check_text("prefix", prefix)
        with self._transaction(account_id) as account:
            key = account.api_keys.get(prefix)
            if key is not None and key.last_used_at < now - USE_INTERVAL_US:
                account.api_keys[prefix] = replace(key, last_used_at=now)
