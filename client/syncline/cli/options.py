"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", envvar="SYNCLINE_FILE", help="The device file.", show_default=False)
]
ServerOption = Annotated[
    str,
    typer.Option("--server", metavar="HOST:PORT", envvar="SYNCLINE_SERVER", help="The server.", show_default=False),
]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="NAME", help="Only this scope; may be repeated. Without it: all."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print a JSON document on each line instead of text.")]
