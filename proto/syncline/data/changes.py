"""Changes: what a local write of a device does to its record, and how the server answers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from syncline.data.canonical import canonical_text
from syncline.data.parsing import parse_value


class Operation(Enum):
    """What a change does."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Verdict(Enum):
    """How a change was decided. HELD is an answer, but no verdict: nothing was decided."""

    APPLIED = "applied"
    MERGED = "merged"
    SERVER_WON = "server_won"
    REJECTED = "rejected"
    HELD = "held"


class Edit(NamedTuple):
    """A field's whole value before and after, as canonical JSON text; None: the field is absent."""

    name: str
    old: str | None
    new: str | None


class Content(NamedTuple):
    """What a change says, apart from whose and which it is. A tuple, because one is made for each change."""

    operation: Operation
    data: Mapping[str, Any] | None = None
    """INSERT: the record."""
    edits: tuple[Edit, ...] = ()
    """UPDATE: the fields that change."""
    deleted_hash: bytes = b""
    """DELETE: `data_hash` of the data that the device saw."""


def field_text(data: Mapping[str, Any], name: str) -> str | None:
    """A field's value as canonical JSON text; None: the field is absent."""
    value = data.get(name)
    return None if value is None else canonical_text(value, name)


def edits_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Edit, ...]:
    """What makes `new` of `old`, in the order of `old`'s fields and then of `new`'s."""
    edits = (Edit(name, field_text(old, name), field_text(new, name)) for name in dict.fromkeys((*old, *new)))
    return tuple(edit for edit in edits if edit.old != edit.new)


def apply_edits(data: Mapping[str, Any], edits: Iterable[Edit]) -> dict[str, Any]:
    """The record with the new values in place."""
    result = dict(data)
    for edit in edits:
        if edit.new is None:
            result.pop(edit.name, None)
        else:
            result[edit.name] = parse_value(edit.new.encode())
    return result
