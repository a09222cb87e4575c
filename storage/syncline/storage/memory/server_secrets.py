"""Secrets that servers share, in the model."""

from __future__ import annotations

from syncline.storage.limits import check_text
from syncline.storage.memory.state import MemoryState
from syncline.storage.models import ServerSecret


class MemoryServerSecrets(MemoryState):
    """`ServerSecretStore`."""

    def list_server_secrets(self, purpose: str) -> list[ServerSecret]:
        """See `ServerSecretStore.list_server_secrets`."""
        check_text("purpose", purpose)
        with self._lock:
            return [self._secrets[key] for key in sorted(self._secrets) if key[0] == purpose]

    def add_server_secret(self, purpose: str, number: int, secret: bytes, *, now: int) -> bool:
        """See `ServerSecretStore.add_server_secret`."""
        check_text("purpose", purpose)
        with self._lock:
            fresh = ServerSecret(number, secret, now)
            return self._secrets.setdefault((purpose, number), fresh) is fresh

    def remove_server_secret(self, purpose: str, number: int) -> bool:
        """See `ServerSecretStore.remove_server_secret`."""
        check_text("purpose", purpose)
        with self._lock:
            newest = max((key[1] for key in self._secrets if key[0] == purpose), default=number)
            return number < newest and self._secrets.pop((purpose, number), None) is not None
