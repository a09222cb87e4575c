"""Secrets that the servers of a store share."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.models import ServerSecret


class ServerSecretStore(Protocol):
    """Versioned secrets by purpose. They belong to no account: its methods cross accounts."""

    def list_server_secrets(self, purpose: str) -> list[ServerSecret]:
        """All secrets of the purpose, by number; the last one is the newest."""

    def add_server_secret(self, purpose: str, number: int, secret: bytes, *, now: int) -> bool:
        """Keep a secret under a number, unless there is one; was it kept? Of servers that race, one wins."""

    def remove_server_secret(self, purpose: str, number: int) -> bool:
        """Remove a secret for good, unless it is the newest of its purpose; was it removed?

        The newest stays, so that a number is never used again.
        """
