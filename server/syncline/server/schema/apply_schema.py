"""Putting a schema into force."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Final

from syncline.data.schema import ObjectType, Schema
from syncline.data.schema_differences import SchemaDifference, differences
from syncline.data.schema_rules import check_schema
from syncline.server.errors import SchemaChangeRefused, Violation
from syncline.server.resolvers import check_resolvers
from syncline.server.schema.widening import widen
from syncline.storage import Store
from syncline.storage.audit_models import Act
from syncline.storage.errors import SchemaChanged

_ATTEMPTS_MAX: Final = 10
"""How often it is tried to take something in while others change the schema."""
_CHANGES_TOLD_MAX: Final = 20
"""So many of the changes are named in the audit log."""


def diff_schema(store: Store, account_id: str, wanted: Schema) -> list[SchemaDifference]:
    """What `apply_schema` would change, and what it would refuse.

    Raises:
        DataError: the schema is not well-formed, or names a resolver that is not installed.
    """
    check_schema(wanted)
    check_resolvers(wanted)
    return differences(store.read_schema(account_id), wanted)


def apply_schema(
    store: Store, account_id: str, wanted: Schema, *, act: Act | None = None
) -> tuple[Schema, list[SchemaDifference]]:
    """Put the schema into force, as a whole; answer it and what it changed. Nothing is written if nothing differs.

    The act is kept with what was changed, if somebody did it.

    Raises:
        DataError: the schema is not well-formed, or names a resolver that is not installed.
        SchemaChangeRefused: it takes something away.
        SchemaChanged: another change came in between.
    """
    check_schema(wanted)
    check_resolvers(wanted)
    return _replace(store, account_id, store.read_schema(account_id), wanted, act)


def widen_schema(store: Store, account_id: str, discovered: Collection[ObjectType], *, act: Act) -> Schema:
    """Put the schema into force that `widen` makes with these object types; answer it. The act is kept if it differs.

    Raises:
        SchemaChanged: others change it all the time.
    """
    for _ in range(_ATTEMPTS_MAX - 1):
        with suppress(SchemaChanged):
            return _widen(store, account_id, discovered, act)
    return _widen(store, account_id, discovered, act)


def _widen(store: Store, account_id: str, discovered: Collection[ObjectType], act: Act) -> Schema:
    current = store.read_schema(account_id)
    wanted = widen(current, discovered)
    check_schema(wanted)
    return _replace(store, account_id, current, wanted, act)[0]


def _replace(
    store: Store, account_id: str, current: Schema, wanted: Schema, act: Act | None = None
) -> tuple[Schema, list[SchemaDifference]]:
    found = differences(current, wanted)
    refused = [Violation(one.path, one.description) for one in found if not one.allowed]
    if refused:
        raise SchemaChangeRefused(refused)
    if not found:
        return current, found
    if act is not None:
        changed = ", ".join(one.path for one in found[:_CHANGES_TOLD_MAX])
        told = {"changes": str(len(found)), "changed": changed, "version": str(current.version + 1)}
        act = replace(act, details={**act.details, **told})
    return store.write_schema(account_id, wanted, expected_version=current.version, act=act), found
