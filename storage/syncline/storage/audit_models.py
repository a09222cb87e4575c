"""What people did to an account, for those who ask later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Act:
    """An administrative act. It holds no secret: it is read by others than those who did it."""

    happened_at: int
    principal: str
    """Who did it. `operator`: somebody at a command line of the server."""
    credential: str
    """What that was proved with: a kind and a public part."""
    action: str
    """What was done, such as `device.disable`."""
    subject: str
    """What it was done to: an id, or a name."""
    details: Mapping[str, str] = field(default_factory=dict)
    outcome: str = "done"


class AuditPlace(NamedTuple):
    """Where an entry stands in the log of its account."""

    happened_at: int
    entry_id: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An act as it was kept."""

    entry_id: int
    """Random; it tells acts of one moment apart."""
    act: Act

    @property
    def place(self) -> AuditPlace:
        """Where it stands."""
        return AuditPlace(self.act.happened_at, self.entry_id)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted. What is None is not asked for."""

    since: int | None = None
    """At this time or later."""
    until: int | None = None
    """Before this time."""
    action: str | None = None
    """This action; with a dot at its end, all that begin with it, such as `device.`."""

    def takes(self, act: Act) -> bool:
        """Is it wanted?"""
        if self.action is not None:
            begins = self.action.endswith(".") and act.action.startswith(self.action)
            if not begins and act.action != self.action:
                return False
        is_late = self.since is None or act.happened_at >= self.since
        return is_late and (self.until is None or act.happened_at < self.until)
