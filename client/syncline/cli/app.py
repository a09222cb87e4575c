"""The commands, and how they end."""

from __future__ import annotations

import signal
import sys

import typer

from syncline.cli import query, status, sync, watch
from syncline.client import ConnectionLost, Superseded, SyncError
from syncline.replica import ReplicaError

app = typer.Typer(
    name="syncline",
    help="Keeps an exact copy of an account's records in a SQLite file, and reads it.",
    epilog="SYNCLINE_SERVER and SYNCLINE_FILE stand in for --server and FILE.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (sync, watch, query, status):
    command.register(app)

_ADVICE: dict[type[SyncError], str] = {
    ConnectionLost: " (is the server running, and is --server right?)",
    Superseded: " (is a copy of this file in use?)",
}


def run() -> None:
    """Run one command. What a user can mend ends in one line and status 1; Ctrl-C and SIGTERM end quietly."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except (ReplicaError, SyncError, OSError) as error:  # the last: an output that takes no more
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
        print(f"error: {_one_line(error)} {advice}".rstrip(), file=sys.stderr)
        sys.exit(1)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
