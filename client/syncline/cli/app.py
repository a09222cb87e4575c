"""The commands, and how they end."""

from __future__ import annotations

import signal
import sys

import typer

from syncline.cli import (
    conflicts,
    enrollments,
    pending,
    push,
    query,
    reconcile,
    requests,
    resend,
    reset,
    roll_back,
    setting,
    status,
    sync,
    trace,
    watch,
    why,
)
from syncline.cli.tracing import tracing
from syncline.client import (
    ConnectionLost,
    ConnectorNotFound,
    EnrollmentBusy,
    EnrollmentChanged,
    EnrollmentNotFound,
    Superseded,
    SyncError,
    SyncRequestNotFound,
)
from syncline.replica import DeferredRecord, KeyTaken, ReplicaError, UnsentChanges

app = typer.Typer(
    name="syncline",
    help="Keeps an exact copy of an account's records in a SQLite file, reads it, and edits it. Loads data from other "
    "systems.",
    epilog="SYNCLINE_SERVER and SYNCLINE_FILE stand in for --server and FILE.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    sync,
    push,
    watch,
    query,
    status,
    setting,
    pending,
    roll_back,
    resend,
    conflicts,
    reset,
    reconcile,
    trace,
    why,
):
    command.register(app)
for group in (requests, enrollments):
    group.register(app)

_ADVICE: dict[type[Exception], str] = {
    ConnectionLost: " (is the server running, and is --server right?)",
    EnrollmentNotFound: " (`syncline enrollments list` shows them)",
    EnrollmentChanged: " (somebody else changed it just now; run the command again)",
    EnrollmentBusy: " (wait for its requests to end, or cancel them: `syncline requests list`)",
    ConnectorNotFound: " (`syncline enrollments connectors` shows those that the server has)",
    SyncRequestNotFound: " (`syncline requests list` shows them)",
    Superseded: " (is a copy of this file in use?)",
    UnsentChanges: " (add --discard-unsent)",
    DeferredRecord: " (add --defer)",
    KeyTaken: " (leave out --create to change it)",
}


def run() -> None:
    """Run one command. What a user can mend ends in one line and status 1; Ctrl-C and SIGTERM end quietly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tracing():
            app(standalone_mode=True)
    except (ReplicaError, SyncError, OSError) as error:  # the last: an output that takes no more
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
        print(f"error: {_one_line(error)}{advice}", file=sys.stderr)
        sys.exit(1)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
