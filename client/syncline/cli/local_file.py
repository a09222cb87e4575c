"""Device files for local work, and the records that a user names in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from syncline.cli.values import read_value
from syncline.data.errors import DataError
from syncline.data.keys import record_key
from syncline.data.parsing import parse_value
from syncline.data.schema import FieldType, ObjectType, Schema
from syncline.replica import Replica, ReplicaReader


@contextmanager
def open_local(file: Path) -> Iterator[Replica]:
    """Open a file that exists, without a server.

    Raises:
        NotAReplica: there is none; only `sync` makes one.
    """
    ReplicaReader(file).facts()
    with Replica.open(file) as replica:
        yield replica


def object_type_of(schema: Schema, name: str) -> ObjectType:
    """The object type that the user named.

    Raises:
        typer.BadParameter: there is none.
    """
    kind = schema.object_type(name)
    if kind is None:
        names = ", ".join(kind.name for kind in schema.object_types) or "none before the first sync"
        raise typer.BadParameter(f"there is no object type {name!r}; there are: {names}", param_hint="TYPE")
    return kind


def key_of(kind: ObjectType, word: str) -> str:
    """The key that the user named: as the column `_key` shows it, or the value of a single key field.

    Raises:
        typer.BadParameter: the word is no key of the type.
    """
    values = key_fields(kind, word)
    try:
        return record_key(kind, values) if values else word
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="KEY") from error


def key_fields(kind: ObjectType, word: str) -> dict[str, Any]:
    """The key fields of a record that the user named; empty for a type without a primary key.

    Raises:
        typer.BadParameter: the word is no key of the type.
    """
    fields = {field.name: field for field in kind.fields}
    names = kind.primary_key
    if not names:
        return {}
    if len(names) == 1 and fields[names[0]].type is FieldType.STRING:
        return {names[0]: word}
    if len(names) == 1 and not word.startswith("["):
        return {names[0]: read_value(fields[names[0]], word)}
    try:
        values = parse_value(word.encode())
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != len(names):
        raise typer.BadParameter(f"a key of {kind.name} is a JSON array of {', '.join(names)}", param_hint="KEY")
    return dict(zip(names, values, strict=True))
