"""`syncline rollback` and `syncline undo`: take local changes back."""

from __future__ import annotations

from typing import Annotated

import typer

from syncline.cli.local_file import key_of, object_type_of, open_local
from syncline.cli.options import JsonOption
from syncline.cli.output import print_json, print_line
from syncline.cli.words import split_words
from syncline.replica import RolledBack

_ROLLBACK_USAGE = "FILE [TYPE [KEY]]"
_UNDO_USAGE = "FILE TYPE KEY"

RollbackWordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar=_ROLLBACK_USAGE,
        help="The device file (or SYNCLINE_FILE); an object type and a record's key, to take back only its changes.",
        show_default=False,
    ),
]
UndoWordsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar=_UNDO_USAGE,
        help="The device file (or SYNCLINE_FILE), an object type and a record's key.",
        show_default=False,
    ),
]
CascadeOption = Annotated[
    bool, typer.Option("--cascade", help="Take back what was made below records that go, too; else that is refused.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("rollback")(rollback)
    app.command("undo")(undo)


def rollback(
    words: RollbackWordsArgument = None,
    cascade: CascadeOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take back local changes that the server has not decided: all, those of an object type, or those of one record.

    The records are as the server has them then, as far as the file knows. With a change goes what depends on it:
    later changes of its record, and all changes of its transaction.
    """
    file, rest = split_words(words, _ROLLBACK_USAGE, most=2)
    if cascade and not rest:
        raise typer.BadParameter("everything goes anyway", param_hint="--cascade")
    with open_local(file) as replica:
        whose = " ".join(rest) or "all object types"
        if not rest:
            _ask(whose, yes)
            done = replica.roll_back_pending_local_changes()
        else:
            kind = object_type_of(replica.schema, rest[0])
            key = key_of(kind, rest[1]) if len(rest) == 2 else None
            _ask(whose, yes)
            objects = replica.objects(kind.name)
            if key is None:
                done = objects.roll_back_pending_local_changes(cascade=cascade)
            else:
                done = objects.roll_back_pending_local_changes_by_pk(key, cascade=cascade)
    _print_done(done, as_json)


def undo(words: UndoWordsArgument, as_json: JsonOption = False) -> None:
    """Take back the newest local change of one record, with its whole transaction."""
    file, (name, word) = split_words(words, _UNDO_USAGE, least=2, most=2)
    with open_local(file) as replica:
        kind = object_type_of(replica.schema, name)
        done = replica.objects(name).undo(key_of(kind, word))
    _print_done(done, as_json)


def _ask(whose: str, yes: bool) -> None:
    if not yes:
        typer.confirm(f"Take back the local changes of {whose}?", abort=True, err=True)


def _print_done(done: RolledBack, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    print_line(
        f"{done.rolled_back:,} changes were taken back" if done.rolled_back else "there was nothing to take back"
    )
    if done.awaiting:
        print_line(f"{done.awaiting:,} were sent already; they are reversed once the server has decided them")
