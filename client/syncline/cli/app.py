"""The commands, and how they end."""

from __future__ import annotations

import sys

import typer

from syncline.cli import (
    conflicts,
    devices,
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
from syncline.cli.interrupting import interrupts
from syncline.cli.output import show_all_letters
from syncline.cli.tracing import tracing
from syncline.client import (
    ConnectionLost,
    ConnectorNotFound,
    DeviceNotFound,
    EnrollmentBusy,
    EnrollmentChanged,
    EnrollmentNotFound,
    PermissionDenied,
    Superseded,
    SyncError,
    SyncRequestNotFound,
    TokenUnavailable,
    Unauthenticated,
)
from syncline.replica import DeferredRecord, KeyTaken, ReplicaError, UnsentChanges

app = typer.Typer(
    name="syncline",
    help="Keeps an exact copy of an account's records in a SQLite file, reads it, and edits it. Loads data from other "
    "systems.",
    epilog="SYNCLINE_SERVER and SYNCLINE_FILE stand in for --server and FILE, SYNCLINE_TOKEN for --token-file.",
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
for group in (requests, enrollments, devices):
    group.register(app)

_ADVICE: dict[type[Exception], str] = {
    ConnectionLost: " (is the server running, is --server right, and does it need --ca-file?)",
    Unauthenticated: " (SYNCLINE_TOKEN or --token-file must have a token that this server takes, and that holds still)",
    PermissionDenied: " (whoever gave you the token can give you one that may do this)",
    TokenUnavailable: " (see --token-file)",
    EnrollmentNotFound: " (`syncline enrollments list` shows them)",
    EnrollmentChanged: " (somebody else changed it just now; run the command again)",
    EnrollmentBusy: " (wait for its requests to end, or cancel them: `syncline requests list`)",
    ConnectorNotFound: " (`syncline enrollments connectors` shows those that the server has)",
    DeviceNotFound: " (`syncline devices list` shows them)",
    SyncRequestNotFound: " (`syncline requests list` shows them)",
    Superseded: " (is a copy of this file in use?)",
    UnsentChanges: " (add --discard-unsent)",
    DeferredRecord: " (add --defer)",
    KeyTaken: " (leave out --create to change it)",
}


def run() -> None:
    """Run one command. What a user can mend ends in one line and status 1; Ctrl-C and SIGTERM end quietly."""
    show_all_letters()
    try:
        with interrupts.listening(), tracing():
            app(standalone_mode=True)
    except (ReplicaError, SyncError, OSError) as error:  # the last: an output that takes no more
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
        print(f"error: {_one_line(error)}{advice}", file=sys.stderr)
        sys.exit(1)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
