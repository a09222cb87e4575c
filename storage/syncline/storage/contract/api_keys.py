"""API keys: what services prove themselves with."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.api_key_models import ApiKey
from syncline.storage.audit_models import Act


class ApiKeyStore(Protocol):
    """API keys by their prefix. Keys are kept for ever: who asks later what a key was is answered."""

    def create_api_key(self, account_id: str, key: ApiKey, *, act: Act | None = None) -> None:
        """Keep a new key.

        Raises:
            ApiKeyTaken: a key of any account has the prefix.
        """

    def list_api_keys(self, account_id: str) -> list[ApiKey]:
        """All keys of the account, by name and prefix."""

    def revoke_api_key(self, account_id: str, prefix: str, *, now: int, act: Act | None = None) -> ApiKey:
        """End the key, for good; one that was revoked stays as it is. Answers it as it stands.

        Raises:
            ApiKeyNotFound: the account has no such key.
        """

    def find_api_key(self, prefix: str) -> tuple[str, ApiKey] | None:
        """The key, revoked or expired as it may be, and its account.

        Crosses accounts: a key is what tells the account of its caller.
        """

    def note_api_key_use(self, account_id: str, prefix: str, *, now: int) -> None:
        """Move the last use on, if the one that is known is older than `USE_INTERVAL_US`; else nothing is written."""
