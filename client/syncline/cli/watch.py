"""`syncline watch`: follow the server live."""

from __future__ import annotations

from datetime import datetime

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.interrupting import interrupts
from syncline.cli.options import FileArgument, JsonLinesOption, ScopeOption, ServerOption
from syncline.cli.output import print_json_line, print_line
from syncline.client import ConnectionOptions
from syncline.replica import Replica, SyncReport


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("watch")(watch)


@with_connection
def watch(
    file: FileArgument,
    server: ServerOption,
    scope: ScopeOption = None,
    as_json: JsonLinesOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Keep the file up to date as things change, and send its changes, until Ctrl-C. Prints a line for each checkpoint.

    + inserted, ~ updated, - deleted, ! rejected, ^ sent. A lost connection is made again.
    """
    with Replica.open(file, server, **connection) as replica:
        try:
            with interrupts.stopped_by(replica.stop):
                for report in replica.watch(scopes=scope or ()):
                    if as_json:
                        print_json_line(report)
                    else:
                        print_line(_line(report))
        except KeyboardInterrupt:
            return


def _line(report: SyncReport) -> str:
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    changes = [
        f"{object_type} +{counts.inserted:,} ~{counts.updated:,} -{counts.deleted:,}"
        + (f" !{counts.rejected:,}" if counts.rejected else "")
        for object_type, counts in sorted(report.counts.items())
    ]
    if report.upload.counts:
        rejected = len(report.upload.rejected)
        changes.append(f"^{report.upload.total:,}" + (f" of which {rejected:,} rejected" if rejected else ""))
    return f"{now} revision {report.checkpoint_revision:,}: {', '.join(changes) or 'up to date'}"
