"""Callers of several accounts for one server, told apart by tokens that are names."""

from __future__ import annotations

from collections.abc import Mapping

from syncline.server.errors import Unauthenticated
from syncline.server.identity.caller import Caller
from syncline.server.identity.permissions import Permission

EVERYTHING = frozenset(Permission)


class NamedCallers:
    """An `Authenticator` of callers that are known beforehand. More may be added at any time."""

    def __init__(self, callers: Mapping[str, Caller] | None = None) -> None:
        self.callers = dict(callers or {})

    async def authenticate(self, token: str) -> Caller:
        """See `Authenticator`."""
        try:
            return self.callers[token]
        except KeyError:
            raise Unauthenticated("the bearer token is not valid") from None


def caller(
    account_id: str,
    principal: str = "ann",
    permissions: frozenset[Permission] = EVERYTHING,
    buckets: Mapping[str, frozenset[str]] | None = None,
) -> Caller:
    """A caller whose identity counts as proved."""
    return Caller(account_id, principal, permissions, buckets, credential="test")
