"""`syncline reset`: empty a device file."""

from __future__ import annotations

from typing import Annotated

import typer

from syncline.cli.local_file import open_local
from syncline.cli.options import FileArgument, ScopeOption
from syncline.cli.output import print_line

DiscardOption = Annotated[
    bool, typer.Option("--discard-unsent", help="Throw away changes that were not sent, or were refused.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("reset")(reset)


def reset(file: FileArgument, scope: ScopeOption = None, discard_unsent: DiscardOption = False) -> None:
    """Remove all records from the file; the next sync loads them anew. It stays the same device.

    Refused while there are changes that were not sent.
    """
    with open_local(file) as replica:
        replica.reset(scopes=scope or (), discard_unsent=discard_unsent)
    print_line("the file is empty; `syncline sync` loads it anew")
