"""`syncline watch`: follow the server live."""

from __future__ import annotations

from datetime import datetime

import typer

from syncline.cli.options import CaFileOption, FileArgument, JsonLinesOption, ScopeOption, ServerOption, TokenOption
from syncline.cli.output import print_json_line, print_line
from syncline.replica import Replica, SyncReport


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("watch")(watch)


def watch(
    file: FileArgument,
    server: ServerOption,
    scope: ScopeOption = None,
    token: TokenOption = None,
    ca_file: CaFileOption = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Keep the file up to date as things change, and send its changes, until Ctrl-C. Prints a line for each checkpoint.

    + inserted, ~ updated, - deleted, ! rejected, ^ sent. A lost connection is made again.
    """
    with Replica.open(file, server, token=token, ca_file=ca_file) as replica:
        try:
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
