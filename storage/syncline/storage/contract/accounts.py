"""Accounts and their heads."""

from __future__ import annotations

from typing import Protocol

from syncline.storage.audit_models import Act
from syncline.storage.models import Head


class AccountStore(Protocol):
    """Accounts: who owns rows, and where each one's history stands."""

    def create_account(self, account_id: str, *, act: Act | None = None) -> Head:
        """Create the account with an empty schema and a random store epoch; if it exists, only answer its head.

        The act is kept if the account is new.
        """

    def list_accounts(self, *, limit: int | None = None) -> list[str]:
        """The accounts that there are, in order; with a limit, the first ones."""

    def get_head(self, account_id: str) -> Head:
        """Where the account's history stands."""

    def renew_store_epoch(self, account_id: str, *, act: Act | None = None) -> Head:
        """Give the history a new identity, after an older backup was restored: every device resynchronises."""
