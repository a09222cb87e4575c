"""`syncline status`: what a device file holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

from syncline.cli.options import FileArgument
from syncline.cli.output import print_failed, print_line, print_table, right
from syncline.replica import ReplicaReader, Status

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("status")(status)


def status(file: FileArgument) -> None:
    """Show what the file is and holds: device, account, checkpoint, feeds, rows, refused items.

    The file may be in use meanwhile.
    """
    held = ReplicaReader(file).status()
    print_line(f"device      {held.device_uuid}")
    print_line(f"account     {held.account or 'none yet'}")
    print_line(f"schema      version {held.schema_version}")
    print_line(f"checkpoint  {_checkpoint(held)}")
    if held.staged:
        print_line(f"staged      {held.staged:,} items wait for the next checkpoint")
    if held.feeds:
        print_table(
            ("scope", "bucket", right("revision")), ((f.scope, f.bucket, f"{f.revision:,}") for f in held.feeds)
        )
    if held.rows:
        print_table(("object type", right("rows")), ((name, f"{rows:,}") for name, rows in held.rows.items()))
    print_failed(held.failed)


def _checkpoint(held: Status) -> str:
    if held.checkpoint_revision is None:
        return "none yet"
    at = (_UNIX_EPOCH + timedelta(microseconds=held.checkpoint_at_us)).astimezone()
    return f"revision {held.checkpoint_revision:,}, stored {at:%Y-%m-%d %H:%M:%S %Z}"
