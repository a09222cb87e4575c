"""Whose call it is, by what the call carries."""

from __future__ import annotations

from typing import Protocol

from syncline.server.identity.caller import Caller
from syncline.server.identity.permissions import Permission

DEVELOPER = "developer"
"""Whom development mode takes everybody for."""
DEVELOPMENT = "development"
"""The credential of those who have none."""


TOKEN_CHARS_MAX = 8_192
"""A longer token is not looked at."""

MISSING = "the bearer token is missing"
NOT_VALID = "the bearer token is not valid"
EXPIRED = "the bearer token has expired"
"""All that is said of why a caller was not let in. The last is told to those only whose token was genuine."""


class Authenticator(Protocol):
    """Proves identities."""

    async def authenticate(self, token: str) -> Caller:
        """The caller that the bearer token is of; empty: the call carries none.

        Raises:
            Unauthenticated: it proves nothing. What is said of the reason helps nobody to guess.
        """


class DevelopmentAuthenticator:
    """Takes everybody for one developer with all rights in one account. For loopback addresses only."""

    def __init__(self, account_id: str) -> None:
        self._caller = Caller(account_id, DEVELOPER, frozenset(Permission), credential=DEVELOPMENT)

    async def authenticate(self, token: str) -> Caller:  # noqa: ARG002  nobody is asked for one
        """See `Authenticator`."""
        return self._caller
