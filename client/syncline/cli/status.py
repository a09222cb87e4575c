"""`syncline status`: what a device file holds."""

from __future__ import annotations

from dataclasses import fields

import typer

from syncline.cli.options import FileArgument, JsonOption
from syncline.cli.output import local_time, print_failed, print_json, print_line, print_table, right
from syncline.replica import ReplicaReader, Status


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("status")(status)


def status(file: FileArgument, as_json: JsonOption = False) -> None:
    """Show what the file is and holds: device, account, checkpoint, feeds, rows, local changes, refused items.

    The file may be in use meanwhile.
    """
    reader = ReplicaReader(file)
    held = reader.status()
    waiting = {state.value: each.total_count for state, each in reader.pending(counts_only=True).items()}
    if as_json:
        print_json({**{each.name: getattr(held, each.name) for each in fields(held)}, "changes": waiting})
        return
    print_line(f"device      {held.device_uuid}")
    print_line(f"account     {held.account or 'none yet'}")
    print_line(f"schema      version {held.schema_version}")
    print_line(f"checkpoint  {_checkpoint(held)}")
    counts = [f"{count:,} {state}" for state, count in waiting.items() if count]
    print_line(f"changes     {', '.join(counts) or 'none wait'}")
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
    return f"revision {held.checkpoint_revision:,}, stored {local_time(held.checkpoint_at_us)}"
