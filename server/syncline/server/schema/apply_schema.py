"""Putting a schema into force."""

from __future__ import annotations

from syncline.data.schema import Schema
from syncline.data.schema_differences import SchemaDifference, differences
from syncline.data.schema_rules import check_schema
from syncline.server.errors import SchemaChangeRefused, Violation
from syncline.server.resolvers import check_resolvers
from syncline.storage import Store


def diff_schema(store: Store, account_id: str, wanted: Schema) -> list[SchemaDifference]:
    """What `apply_schema` would change, and what it would refuse.

    Raises:
        DataError: the schema is not well-formed, or names a resolver that is not installed.
    """
    check_schema(wanted)
    check_resolvers(wanted)
    return differences(store.read_schema(account_id), wanted)


def apply_schema(store: Store, account_id: str, wanted: Schema) -> tuple[Schema, list[SchemaDifference]]:
    """Put the schema into force, as a whole; answer it and what it changed. Nothing is written if nothing differs.

    Raises:
        DataError: the schema is not well-formed, or names a resolver that is not installed.
        SchemaChangeRefused: it takes something away.
        SchemaChanged: another change came in between.
    """
    check_schema(wanted)
    check_resolvers(wanted)
    current = store.read_schema(account_id)
    found = differences(current, wanted)
    refused = [Violation(one.path, one.description) for one in found if not one.allowed]
    if refused:
        raise SchemaChangeRefused(refused)
    if not found:
        return current, found
    return store.write_schema(account_id, wanted, expected_version=current.version), found
