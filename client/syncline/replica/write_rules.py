"""What local writes keep to: the rules of each object type, and of the relationships between records."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Mapping
from typing import Any

from syncline.data.schema import DeleteRule, ObjectType, Schema
from syncline.replica.connection import check_in_transaction
from syncline.replica.errors import ChildrenExist, NotSynchronised, ParentMissing
from syncline.replica.overlay import read_row
from syncline.replica.relationships import child_keys, index_children, parent_key
from syncline.replica.tables import is_published
from syncline.replica.validation import TypeRules, known_type


class WriteRules:
    """The rules as one local transaction sees them. It remembers what it has found in the file."""

    def __init__(self, connection: sqlite3.Connection, schema: Schema, rules: dict[str, TypeRules]) -> None:
        """`rules` keeps what was prepared of the schema."""
        self._connection = connection
        self._schema = schema
        self._rules = rules
        self._published: set[str] = set()
        self._indexed: set[tuple[str, str]] = set()

    def undo_part(self) -> None:
        """SQLite went back to an earlier point of the transaction: indexes that were made since are gone."""
        self._indexed.clear()

    def of(self, object_type: str) -> TypeRules:
        """The rules of an object type whose records the app may write.

        Raises:
            UnknownObjectType: the schema has no such type.
            NotSynchronised: it was at no checkpoint yet.
            StorageFailed: SQLite has ended the transaction.
        """
        check_in_transaction(self._connection)
        rules = self._rules.get(object_type)
        if rules is None:
            rules = self._rules[object_type] = TypeRules(self._schema, known_type(self._schema, object_type))
        if not self._is_published(object_type):
            rule = "the object type has not been at a checkpoint on this device yet: synchronise first"
            raise NotSynchronised(object_type, "", "", rule)
        return rules

    def check_parents(
        self, kind: ObjectType, key: str, record: Mapping[str, Any], touched: Mapping[str, object]
    ) -> None:
        """Check the required relationships of which a field is touched.

        Raises:
            ParentMissing: one refers to no record.
        """
        for relationship in kind.relationships:
            if not relationship.required or touched.keys().isdisjoint(relationship.fields):
                continue
            parent = parent_key(self._schema, relationship, record)
            fields = ", ".join(relationship.fields)
            if parent is None:
                rule = f"the relationship {relationship.name!r} is required, but refers to nothing"
                raise ParentMissing(kind.name, key, fields, rule)
            if parent == key and relationship.parent == kind.name:
                continue  # it refers to itself
            # A parent type that was never at a checkpoint is not known well enough to say that something is missing.
            if not self._is_published(relationship.parent):
                continue
            if read_row(self._connection, relationship.parent, parent) is None:
                rule = f"the relationship {relationship.name!r} is required, but there is no {relationship.parent}"
                raise ParentMissing(kind.name, key, fields, f"{rule} {parent!r}")

    def with_cascade(self, object_type: str, key: str) -> list[tuple[str, str]]:
        """The record and all that refer to it by CASCADE, directly or not: children before their parents."""
        order: list[tuple[str, str]] = []
        seen = {(object_type, key)}
        open_records: list[tuple[tuple[str, str], list[tuple[str, str]]]] = [
            ((object_type, key), self._children(object_type, key, DeleteRule.CASCADE))
        ]
        while open_records:
            record, children = open_records[-1]
            if not children:
                order.append(record)
                open_records.pop()
                continue
            child = children.pop()
            if child not in seen:
                seen.add(child)
                open_records.append((child, self._children(*child, DeleteRule.CASCADE)))
        return order

    def check_restrict(self, rules: TypeRules, key: str, going: Container[tuple[str, str]]) -> None:
        """Check that no record but those that go refers to this one by RESTRICT.

        Raises:
            ChildrenExist: one does.
        """
        left = [child for child in self._children(rules.kind.name, key, DeleteRule.RESTRICT) if child not in going]
        if left:
            raise ChildrenExist(rules.kind.name, key, left, "it cannot be deleted")

    def _is_published(self, object_type: str) -> bool:
        if object_type not in self._published and is_published(self._connection, object_type):
            self._published.add(object_type)
        return object_type in self._published

    def _children(self, object_type: str, key: str, rule: DeleteRule) -> list[tuple[str, str]]:
        rules = self.of(object_type)
        found: list[tuple[str, str]] = []
        for child, relationship in rules.children:
            if relationship.on_delete is rule:
                if (child.name, relationship.name) not in self._indexed:
                    index_children(self._connection, child, relationship)
                    self._indexed.add((child.name, relationship.name))
                keys = child_keys(self._connection, rules.kind, key, child, relationship)
                found.extend((child.name, child_key) for child_key in keys)
        return found
