"""What goes to the terminal, or to whatever stands in for it."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from syncline.replica import Refusal

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

console = Console(highlight=False, soft_wrap=False)
if not console.is_terminal:
    console.width = 10_000  # in a file or pipe a table is as wide as it needs to be
messages = Console(stderr=True, highlight=False)


def show_all_letters() -> None:
    """Let what the encoding of the output has no letter for be written as an escape: else nothing would be written."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_table(columns: Sequence[str | Column], rows: Iterable[Sequence[object]]) -> None:
    """Print rows of any values."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    console.print(table)


def print_line(text: str) -> None:
    """Print one line as it is."""
    console.print(Text(printable(text)), soft_wrap=True)


def print_json(value: object) -> None:
    """Print one JSON document: of dataclasses, enums, UUIDs, times, bytes (as hexadecimal digits), plain values."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def print_json_line(value: object) -> None:
    """Print one JSON document on one line."""
    typer.echo(compact(value))


def print_failed(failed: Sequence[Refusal]) -> None:
    """Print what the device lacks because it refused it; nothing if there is nothing."""
    if not failed:
        return
    print_line(f"{len(failed):,} refused:")
    print_table(
        ("object type", "key", right("revision"), "state", "reason"),
        ((r.object_type, r.key, r.revision, "parked" if r.parked else "waiting", r.reason) for r in failed),
    )


def right(name: str) -> Column:
    """A column of numbers."""
    return Column(name, justify="right")


def cell(value: object) -> Text:
    """A value as a cell. NULL is empty, numbers are as they are."""
    return Text("" if value is None else printable(str(value)))


def printable(text: str) -> str:
    """The text without anything that would steer the terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def compact(value: object) -> str | None:
    """A value as JSON on one line; None stays what it is."""
    return None if value is None else json.dumps(value, ensure_ascii=False, default=_plain)


def local_time(unix_us: int) -> str:
    """Microseconds since the Unix epoch as a time of day here."""
    return local_datetime(_UNIX_EPOCH + timedelta(microseconds=unix_us))


def local_datetime(at: datetime) -> str:
    """A time as a time of day here."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
