"""Who makes the call that is being answered."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from syncline.server.identity.permissions import Permission


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity that was proved, and what goes with it."""

    account_id: str
    """Nothing of another account is there for the caller (G9)."""
    principal: str
    """Who it is within the account: the subject of a token, the name of an API key. A device belongs to one."""
    permissions: frozenset[Permission]
    buckets: Mapping[str, frozenset[str]] | None = None
    """The buckets of each scope that the caller may see; a scope that is not named is seen in none. None: all."""
    credential: str = field(default="", compare=False)
    """What it was proved with, for logs and the audit log: a kind and a public part, never a secret."""

    @property
    def scopes(self) -> frozenset[str] | None:
        """The scopes of which the caller may see something; None: all."""
        return None if self.buckets is None else frozenset(scope for scope, seen in self.buckets.items() if seen)

    def may(self, permission: Permission) -> bool:
        """Does the caller have the permission?"""
        return permission in self.permissions


_caller: ContextVar[Caller] = ContextVar("caller")


def current_caller() -> Caller:
    """The caller of the call that is being answered; `LookupError` outside of calls."""
    return _caller.get()


def set_caller(caller: Caller) -> None:
    """Say who makes the call of the current task. gRPC answers each call in a task of its own."""
    _caller.set(caller)
