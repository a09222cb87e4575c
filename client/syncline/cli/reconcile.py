"""`syncline reconcile`: compare a device file with the server."""

from __future__ import annotations

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.interrupting import interrupts
from syncline.cli.options import FileArgument, JsonOption, ScopeOption, ServerOption
from syncline.cli.output import print_json, print_line
from syncline.client import ConnectionOptions
from syncline.replica import Replica


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("reconcile")(reconcile)


@with_connection
def reconcile(
    file: FileArgument,
    server: ServerOption,
    scope: ScopeOption = None,
    as_json: JsonOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Sync, compare each record of the file with the server's, and repair what differs.

    Local changes are not touched. An interrupted run goes on where it ended.
    """
    with Replica.open(file, server, **connection) as replica, interrupts.stopped_by(replica.stop):
        report = replica.reconcile(scopes=scope or ())
    if as_json:
        print_json(report)
        return
    print_line(f"{report.checked:,} records compared")
    if report.inserted or report.updated or report.deleted:
        print_line(f"repaired: {report.inserted:,} inserted, {report.updated:,} updated, {report.deleted:,} deleted")
    else:
        print_line("no difference")
