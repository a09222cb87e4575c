"""When an enrollment's requests are made by themselves, as a user says it and is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from syncline.cli.requests import OPERATIONS
from syncline.client import Schedule, SyncOperation

ScheduleOption = Annotated[
    str | None,
    typer.Option("--schedule", metavar="CRON", help="When requests are made by themselves, such as '0 3 * * *'."),
]
TimeZoneOption = Annotated[
    str | None,
    typer.Option(
        "--time-zone", metavar="NAME", help="Where the schedule's clock is, such as Europe/Berlin. Default: UTC."
    ),
]
JitterOption = Annotated[
    int | None,
    typer.Option(
        "--jitter", metavar="SECONDS", min=0, help="Scheduled requests are made up to so much later, by chance."
    ),
]
OperationOption = Annotated[
    str | None,
    typer.Option("--operation", metavar="|".join(OPERATIONS), help="What scheduled requests do. Default: read."),
]
FullOption = Annotated[
    bool | None,
    typer.Option("--full/--delta", help="Scheduled requests take all, or only what changed. Default: what changed."),
]


@dataclass(frozen=True, slots=True)
class ScheduleWords:
    """What the options say; None: nothing."""

    cron: str | None
    time_zone: str | None
    jitter_seconds: int | None
    operation: str | None
    full: bool | None

    def applied(self, before: Schedule | None) -> Schedule | None:
        """The schedule that is there with what the options say.

        Raises:
            typer.BadParameter: they say something of a schedule that is not there, or an unknown operation.
        """
        changes = self._changes()
        if before is not None:
            return replace(before, **changes)
        if self.cron is not None:
            return Schedule(**changes)
        if changes:
            raise typer.BadParameter("there is no schedule that this could belong to", param_hint="--schedule")
        return None

    def _changes(self) -> dict[str, Any]:
        if self.operation not in (None, *OPERATIONS):
            raise typer.BadParameter(f"{self.operation!r} is none of {', '.join(OPERATIONS)}", param_hint="--operation")
        said = {
            "cron": self.cron,
            "time_zone": self.time_zone,
            "jitter_seconds": self.jitter_seconds,
            "operation": None if self.operation is None else SyncOperation(self.operation),
            "run_full_sync": self.full,
        }
        return {name: value for name, value in said.items() if value is not None}


def schedule_text(schedule: Schedule | None) -> str:
    """The schedule in a line; empty: there is none."""
    if schedule is None:
        return ""
    words = [schedule.cron, schedule.time_zone or "UTC"]
    if schedule.jitter_seconds:
        words.append(f"+{schedule.jitter_seconds} s")
    return " ".join([*words, schedule.operation.value, *(["full"] if schedule.run_full_sync else [])])
