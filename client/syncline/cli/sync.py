"""`syncline sync`: bring a device file up to date."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from syncline.cli.connecting import with_connection
from syncline.cli.interrupting import interrupts
from syncline.cli.options import FileArgument, JsonOption, ScopeOption, ServerOption
from syncline.cli.output import print_failed, print_json, print_line, print_table, right
from syncline.cli.progress import progress_bar
from syncline.cli.uploads import print_upload
from syncline.client import ConnectionOptions
from syncline.replica import Replica, SyncReport

FullOption = Annotated[
    bool, typer.Option("--full", help="Load everything again. Readers keep the old rows until all is there.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("sync")(sync)


@with_connection
def sync(
    file: FileArgument,
    server: ServerOption,
    scope: ScopeOption = None,
    full: FullOption = False,
    as_json: JsonOption = False,
    *,
    connection: ConnectionOptions,
) -> None:
    """Send the changes that wait in the file, bring it up to date with the server, and acknowledge all that came.

    A file that does not exist is made, as a new device. A download that was interrupted goes on where it ended.
    """
    with Replica.open(file, server, **connection) as replica:
        started = time.monotonic()
        with interrupts.stopped_by(replica.stop), progress_bar() as progress:
            report = replica.sync(scopes=scope or (), full_resync=full, progress=progress)
        if as_json:
            print_json(report)
        else:
            _print_report(report, time.monotonic() - started)


def _print_report(report: SyncReport, seconds: float) -> None:
    print_upload(report.upload)
    if report.nothing_new:
        print_line(f"nothing new: the file is at revision {report.checkpoint_revision:,}")
    else:
        names = ("received", "inserted", "updated", "deleted", "rejected")
        print_table(
            ("object type", *map(right, names)),
            (
                (object_type, *(f"{getattr(counts, name):,}" for name in names))
                for object_type, counts in sorted(report.counts.items())
            ),
        )
        received = report.total.received
        print_line(
            f"{received:,} items in {seconds:,.1f} s ({received / max(seconds, 0.001):,.0f}/s); "
            f"the file is at revision {report.checkpoint_revision:,}"
        )
    print_failed(report.failed)
