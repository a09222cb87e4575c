"""`syncline query`: SQL on a device file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from syncline.cli.output import print_line, print_table
from syncline.replica import ReplicaReader

WordsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE SQL", help="The device file (or SYNCLINE_FILE) and one SELECT statement.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the rows as a JSON array of objects.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("query")(query)


def query(words: WordsArgument, as_json: JsonOption = False) -> None:
    """Run a SELECT statement on the file and print the rows.

    Each object type is a table of its name.
    Its columns are _key, _bucket, _revision and one for each field.

    The file may be in use meanwhile.
    """
    file, sql = _split(words)
    rows = ReplicaReader(file).query(sql)
    columns = rows[0].keys() if rows else []
    if as_json:
        typer.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, indent=2, default=bytes.hex))
    elif rows:
        print_table(columns, rows)
    else:
        print_line("no rows")


def _split(words: list[str]) -> tuple[Path, str]:
    """FILE SQL, or SQL alone if the environment names the file."""
    file = os.environ.get("SYNCLINE_FILE", "")
    if len(words) == 1 and file:
        return Path(file), words[0]
    if len(words) != 2:
        raise typer.BadParameter("give the device file and one SQL statement in quotes", param_hint="FILE SQL")
    return Path(words[0]), words[1]
