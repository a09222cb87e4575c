"""`syncline query`: SQL on a device file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import chain, count
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
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the rows as a JSON array of objects. A second column a is called a:1.")
]


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
        names = _different(columns)
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        typer.echo(json.dumps(objects, ensure_ascii=False, indent=2, default=bytes.hex))
    elif rows:
        print_table(columns, rows)
    else:
        print_line("no rows")


def _different(columns: Sequence[str]) -> list[str]:
    """The names, each once: one that came before gets a number, as in tables that SQLite makes of a SELECT."""
    names: list[str] = []
    for column in columns:
        numbered = (f"{column}:{number}" for number in count(1))
        names.append(next(name for name in chain((column,), numbered) if name not in names))
    return names


def _split(words: list[str]) -> tuple[Path, str]:
    """FILE SQL, or SQL alone if the environment names the file."""
    file = os.environ.get("SYNCLINE_FILE", "")
    if len(words) == 1 and file:
        return Path(file), words[0]
    if len(words) != 2:
        raise typer.BadParameter("give the device file and one SQL statement in quotes", param_hint="FILE SQL")
    return Path(words[0]), words[1]
