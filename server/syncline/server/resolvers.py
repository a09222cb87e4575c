"""The conflict resolvers that are installed. They are found by entry point, so that applications can add theirs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from syncline.data.conflicts import Contest, Record, RefuseChange, Resolver
from syncline.data.errors import DataError
from syncline.data.schema import ObjectType, Schema
from syncline.server.errors import SettingsInvalid

ENTRY_POINT_GROUP = "syncline.resolvers"

Resolvers = Mapping[str, Resolver]
"""Resolvers by name."""


def load_resolvers() -> Resolvers:
    """Load all that are installed.

    Raises:
        SettingsInvalid: one cannot be imported, or cannot be called.
    """
    return {entry.name: _load(entry) for entry in entry_points(group=ENTRY_POINT_GROUP)}


def check_resolvers(schema: Schema) -> None:
    """Check that every resolver that the schema names is installed.

    Raises:
        DataError: the first that is not; `path` is such as `flights.resolver`.
    """
    if not any(kind.resolver for kind in schema.object_types):
        return
    names = entry_points(group=ENTRY_POINT_GROUP).names
    for kind in schema.object_types:
        if kind.resolver and kind.resolver not in names:
            known = ", ".join(sorted(names)) or "none is installed"
            raise DataError(f"{kind.name}.resolver", f"there is no resolver {kind.resolver!r}; known: {known}")


def resolver_of(kind: ObjectType, resolvers: Resolvers) -> Resolver | None:
    """The object type's resolver. One that is not there refuses every change that it is asked about."""
    return resolvers.get(kind.resolver, _refuse) if kind.resolver else None


def _refuse(contest: Contest) -> Record | None:
    raise RefuseChange(f"this server has no resolver {contest.object_type.resolver!r}")


def _load(entry: EntryPoint) -> Resolver:
    try:
        resolver: Resolver = entry.load()
    except Exception as error:
        raise SettingsInvalid(f"the resolver {entry.name!r} ({entry.value}) cannot be loaded: {error}") from error
    if not callable(resolver):
        raise SettingsInvalid(f"the resolver {entry.name!r} ({entry.value}) is no function")
    return resolver
