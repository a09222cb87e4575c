"""Administrative acts, as the audit log keeps them."""

from __future__ import annotations

import getpass
from typing import Final

from syncline.server.environment import now_us
from syncline.server.identity.caller import current_caller
from syncline.storage.audit_models import Act

OPERATOR: Final = "operator"
"""Whoever may run commands beside the database."""


def act_of_caller(action: str, subject: str, **details: str) -> Act:
    """What the caller of the call that is being answered does now."""
    caller = current_caller()
    return Act(now_us(), caller.principal, caller.credential, action, subject, details)


def act_of_operator(action: str, subject: str, **details: str) -> Act:
    """What is done by a command of `syncline-server` now."""
    return Act(now_us(), OPERATOR, f"user {_user()}", action, subject, details)


def act_of_worker(worker: str, action: str, subject: str, **details: str) -> Act:
    """What the run of a sync request does now."""
    return Act(now_us(), worker, "worker", action, subject, details)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may run under a number that has no name
