"""`syncline pending`: local changes that are not on the server yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from syncline.cli.options import FileArgument, JsonOption
from syncline.cli.output import compact, print_json, print_line, print_table, right
from syncline.replica import ChangeState, PendingInstance, PendingInstances, ReplicaReader

_STATES = (ChangeState.PENDING, ChangeState.SENT, ChangeState.DEFERRED, ChangeState.REJECTED)

CountsOption = Annotated[bool, typer.Option("--counts", help="Only how many there are.")]
ScopeFilterOption = Annotated[
    list[str] | None, typer.Option("--scope", metavar="NAME", help="Only this scope; may be repeated.")
]
TypeFilterOption = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this object type; may be repeated.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("pending")(pending)


def pending(
    file: FileArgument,
    counts: CountsOption = False,
    scope: ScopeFilterOption = None,
    object_type: TypeFilterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the changes of the file that the server has not taken: waiting, held, sent, deferred, and rejected.

    A held one waits behind a deferred or rejected change of its record or transaction; of a sent one the verdict is
    not known yet. The file may be in use meanwhile.
    """
    waiting = ReplicaReader(file).pending(counts_only=counts)
    if counts:
        rows = [row for row in _count(waiting) if _wanted(row["scope"], row["object_type"], scope, object_type)]
        print_json(rows) if as_json else _print_counts(rows)
        return
    changes = [
        instance for scope_name, name, instance in _each(waiting) if _wanted(scope_name, name, scope, object_type)
    ]
    print_json(changes) if as_json else _print_changes(changes)


def _wanted(scope: str, name: str, scopes: list[str] | None, types: list[str] | None) -> bool:
    """Is an object type of this name within its scope asked for, be it under its full name?"""
    return (not scopes or scope in scopes) and (not types or name in types or f"{scope}.{name}" in types)


def _count(waiting: dict[ChangeState, PendingInstances]) -> list[dict[str, Any]]:
    """How many changes of each object type are in which state."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for state, instances in waiting.items():
        for scope, in_scope in instances.scopes.items():
            for name, of_type in in_scope.objects.items():
                none = {"scope": scope, "object_type": name, **dict.fromkeys((each.value for each in waiting), 0)}
                rows.setdefault((scope, name), none)[state.value] = of_type.count
    return [rows[name] for name in sorted(rows)]


def _each(waiting: dict[ChangeState, PendingInstances]) -> Iterator[tuple[str, str, PendingInstance]]:
    """Every change, with its scope and the name of its object type in there."""
    for instances in waiting.values():
        for scope, in_scope in instances.scopes.items():
            for name, of_type in in_scope.objects.items():
                for instance in of_type.data or ():
                    yield scope, name, instance


def _print_counts(rows: list[dict[str, Any]]) -> None:
    states = ("pending", "sent", "deferred", "rejected")
    print_table(
        ("scope", "object type", *map(right, states)),
        ((row["scope"], row["object_type"], *(f"{row[state]:,}" for state in states)) for row in rows),
    )


def _print_changes(changes: list[PendingInstance]) -> None:
    if not changes:
        print_line("nothing waits")
        return
    print_table(
        ("object type", "key", "change", "state", "made", "what", "why refused"),
        (
            (
                change.object_type,
                change.key,
                change.operation.value,
                change.state.value,
                f"{change.made_at.astimezone():%Y-%m-%d %H:%M:%S}",
                compact({name: new for name, (_, new) in change.changes.items()} or change.data),
                None if change.refusal is None else f"{change.refusal.reason}: {change.refusal.message}",
            )
            for change in changes
        ),
    )
