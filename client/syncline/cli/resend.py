"""`syncline resend`: send a refused change again."""

from __future__ import annotations

from typing import Annotated

import typer

from syncline.cli.local_file import key_of, object_type_of, open_local
from syncline.cli.options import JsonOption
from syncline.cli.output import print_json, print_line
from syncline.cli.words import split_words
from syncline.replica import ReplicaError

_USAGE = "FILE TYPE KEY"

WordsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar=_USAGE,
        help="The device file (or SYNCLINE_FILE), an object type and a record's key.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("resend")(resend)


def resend(words: WordsArgument, as_json: JsonOption = False) -> None:
    """Let what the server refused of a record go up again, as the file shows the record now.

    The refused change and the later ones of the record become one new change; those of its transaction go with it.
    """
    file, (name, word) = split_words(words, _USAGE, least=2, most=2)
    with open_local(file) as replica:
        kind = object_type_of(replica.schema, name)
        objects, key = replica.objects(name), key_of(kind, word)
        if not any(rejected.key == key for rejected in objects.get_rejected()):
            raise ReplicaError(f"no change of {name} {key!r} was refused; `syncline pending` lists what was")
        count = objects.resend(key)
    if as_json:
        print_json({"changes": count})
    elif count:
        print_line(f"{count:,} changes go up with the next sync or push")
    else:
        print_line("the file shows what the server has; nothing is left to send")
