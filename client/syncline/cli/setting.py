"""`syncline set`: create, change or delete one record."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syncline.cli.local_file import key_fields, key_of, object_type_of, open_local
from syncline.cli.options import JsonOption
from syncline.cli.output import print_json, print_line
from syncline.cli.values import read_assignments
from syncline.cli.words import split_words
from syncline.replica import Objects, RecordNotFound, ReplicaError

_USAGE = "FILE TYPE KEY FIELD=VALUE..."

WordsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar=_USAGE,
        help="The device file (or SYNCLINE_FILE), an object type, a record's key as the column _key shows it, "
        "and what to set.",
        show_default=False,
    ),
]
CreateOption = Annotated[bool, typer.Option("--create", help="Make a new record.")]
DeleteOption = Annotated[bool, typer.Option("--delete", help="Delete the record.")]
DeferOption = Annotated[bool, typer.Option("--defer", help="Do not send the change until the app marks it for upload.")]
BucketOption = Annotated[str, typer.Option("--bucket", metavar="NAME", help="With --create: the bucket it goes to.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("set")(set_record)


def set_record(
    words: WordsArgument,
    create: CreateOption = False,
    delete: DeleteOption = False,
    defer: DeferOption = False,
    bucket: BucketOption = "",
    as_json: JsonOption = False,
) -> None:
    """Change fields of one record in the file; the next sync or push sends it.

    FIELD=VALUE takes the value by the field's type, FIELD= makes it null, FIELD:=JSON takes any JSON value.
    The key of a record with one key field may be given as that field's value.
    """
    if create and delete:
        raise typer.BadParameter("a record is created or deleted, not both", param_hint="--create, --delete")
    if bucket and not create:
        raise typer.BadParameter("a record gets its bucket when it is created", param_hint="--bucket")
    file, rest = split_words(words, _USAGE, least=2)
    name, word, *assignments = rest
    if bool(assignments) == delete and not create:
        problem = "a record that is deleted needs no fields" if delete else "say what to set"
        raise typer.BadParameter(problem, param_hint="FIELD=VALUE")
    with open_local(file) as replica:
        kind = object_type_of(replica.schema, name)
        objects = replica.objects(name)
        key = key_of(kind, word)
        if delete:
            count = objects.delete_by_pk(key, upload=not defer)
        elif create:
            values = {**key_fields(kind, word), **read_assignments(kind, assignments)}
            objects.create(values, key=key, bucket=bucket, upload=not defer)
            count = 1
        else:
            count = _update(objects, key, read_assignments(kind, assignments), upload=not defer)
    done = "deleted" if delete else "created" if create else "changed"
    if as_json:
        print_json({"object_type": name, "key": key, "done": done, "records": count})
    elif count:
        print_line(f"{done} {name} {key}" + (f", and {count - 1:,} that belong to it" if count > 1 else ""))
    else:
        print_line(f"{name} {key} is like that already")


def _update(objects: Objects, key: str, values: dict[str, Any], *, upload: bool) -> int:
    try:
        return objects.update_by_pk(key, values, upload=upload)
    except RecordNotFound as error:
        raise ReplicaError(f"{error}; --create makes a new one") from error
