"""`syncline push`: send local changes."""

from __future__ import annotations

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.interrupting import interrupts
from syncline.cli.options import FileArgument, JsonOption, ScopeOption, ServerOption
from syncline.cli.output import print_json, print_line
from syncline.cli.uploads import print_upload
from syncline.client import ConnectionOptions
from syncline.replica import Replica


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("push")(push)


@with_connection
def push(
    file: FileArgument,
    server: ServerOption,
    scope: ScopeOption = None,
    as_json: JsonOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Send the changes that wait in the file, and download nothing.

    What the server refuses stays in the file, with the reason.
    """
    with Replica.open(file, server, **connection) as replica, interrupts.stopped_by(replica.stop):
        report = replica.push(scopes=scope or ())
    if as_json:
        print_json(report)
        return
    print_upload(report)
    print_line(f"{report.total:,} changes were decided" if report.counts else "nothing waits to be sent")
