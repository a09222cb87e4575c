"""The account's schema."""

from __future__ import annotations

from typing import Protocol

from syncline.data.schema import Schema
from syncline.storage.audit_models import Act


class SchemaStore(Protocol):
    """What the account's records are made of."""

    def read_schema(self, account_id: str) -> Schema:
        """The schema in force; version 0 without object types if none was ever declared."""

    def write_schema(self, account_id: str, schema: Schema, *, expected_version: int, act: Act | None = None) -> Schema:
        """Put the schema into force as version `expected_version + 1` and answer it.

        If that moves object types to another scope, all of their rows, tombstones included, move to it at new
        revisions and leave departures in the old one. Whether a change is allowed is the caller's business;
        object types that have rows must stay.

        Raises:
            SchemaChanged: the version in force is not `expected_version`.
        """
