"""Finding what a roll back takes: the changes that depend on those to be taken back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncline.data.schema import ObjectType, Relationship, Schema
from syncline.replica.change_log import (
    ChangeState,
    LocalChange,
    LocalOperation,
    changes_of,
    delete_changes,
    read_changes,
    set_roll_back,
)
from syncline.replica.errors import ChildrenExist
from syncline.replica.overlay import lay_over, read_base, read_row, refresh
from syncline.replica.relationships import child_keys, index_children, parent_key
from syncline.replica.tables import is_published

Record = tuple[str, str]
"""Object type and key."""

_Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a roll back did."""

    rolled_back: int
    """Changes that are gone."""
    awaiting: int
    """Changes that were sent: they stay until the server has answered, and are then reversed."""


class Taking:
    """The changes that a roll back takes: found first, then taken all at once."""

    def __init__(self, connection: sqlite3.Connection, schema: Schema) -> None:
        self.gone: dict[int, LocalChange] = {}
        """Unsent ones: they go."""
        self.marked: dict[int, LocalChange] = {}
        """Sent ones: they are to be reversed."""
        self._connection = connection
        self._schema = schema
        parents = {each.parent for kind in schema.object_types for each in kind.relationships}
        self._related = {kind.name: kind for kind in schema.object_types if kind.relationships or kind.name in parents}
        self._taken_from: dict[Record, int] = {}
        """From which number on the changes of a record are taken."""
        self._transactions: set[int] = set()

    def add(self, changes: Iterable[LocalChange]) -> None:
        """Take these, and those that depend on them by record or transaction."""
        open_changes = list(changes)
        while open_changes:
            change = open_changes.pop()
            if change.unsent:
                self.gone[change.change_no] = change
            elif change.state is ChangeState.SENT:
                self.marked[change.change_no] = change
            else:
                continue  # what has a verdict is the server's, what is hidden is of this device only
            above = self._taken_from.get(change.record)
            if above is None or change.change_no < above:
                self._taken_from[change.record] = change.change_no
                open_changes += read_changes(
                    self._connection,
                    "object_type = ? AND key = ? AND change_no > ? AND change_no < ?",
                    (*change.record, change.change_no, _beyond(above)),
                )
            if change.transaction_no not in self._transactions:
                self._transactions.add(change.transaction_no)
                open_changes += read_changes(self._connection, "transaction_no = ?", (change.transaction_no,))

    def add_alone(self, changes: Iterable[LocalChange]) -> None:
        """Take these, which are not sent any more, and let what was made later of their records stay."""
        self.gone |= {change.change_no: change for change in changes}

    def records(self) -> list[Record]:
        """The records of which changes go, in the order of the first of these."""
        return list(dict.fromkeys(self.gone[number].record for number in sorted(self.gone)))

    def follow_relationships(self, *, cascade: bool) -> None:
        """Take what depends on the records as they will be: changes of their children, and deletes of their parents.

        Raises:
            ChildrenExist: there are changed children, and `cascade` is not set.
        """
        taken = -1
        while taken != len(self.gone) + len(self.marked):
            taken = len(self.gone) + len(self.marked)
            for record in self.records():
                self._follow(record, cascade=cascade)

    def finish(self) -> RolledBack:
        """Do it."""
        delete_changes(self._connection, self.gone)
        set_roll_back(self._connection, self.marked, roll_back=True)
        for object_type, key in self.records():
            refresh(self._connection, object_type, [key])
        return RolledBack(len(self.gone), len(self.marked))

    def _follow(self, record: Record, *, cascade: bool) -> None:
        kind = self._related.get(record[0])
        if kind is None:
            return
        row = read_row(self._connection, *record)
        before, after = row.record if row is not None else None, self._after(record)
        if after is not None:
            self._follow_parents(kind, record, before, after, cascade=cascade)
        elif before is not None:
            self._take_children(record, self._children(kind, record[1]), cascade=cascade)

    def _follow_parents(
        self, kind: ObjectType, record: Record, before: _Data | None, after: _Data, *, cascade: bool
    ) -> None:
        """See to it that what the record will refer to will be there, if it is there or was."""
        for relationship in kind.relationships:
            key = parent_key(self._schema, relationship, after)
            if key is None or not is_published(self._connection, relationship.parent):
                continue
            parent = (relationship.parent, key)
            if self._after(parent) is not None:
                continue
            if read_row(self._connection, *parent) is not None:
                self._take_children(parent, self._referring(record, relationship), cascade=cascade)
            elif before is None or parent_key(self._schema, relationship, before) != key:
                # It was deleted because this record did not refer to it any more.
                changes = changes_of(self._connection, *parent)
                self.add([change for change in changes if change.operation is LocalOperation.DELETE][-1:])

    def _take_children(self, record: Record, children: list[LocalChange], *, cascade: bool) -> None:
        if children and not cascade:
            what = "it cannot be rolled back without them"
            raise ChildrenExist(*record, [child.record for child in children], what)
        self.add(children)

    def _children(self, kind: ObjectType, key: str) -> list[LocalChange]:
        """Of the records that will still refer to this one: the changes by which they do."""
        found = []
        for child in self._schema.object_types:
            for relationship in child.relationships:
                if relationship.parent != kind.name:
                    continue
                index_children(self._connection, child, relationship)
                for child_key in child_keys(self._connection, kind, key, child, relationship):
                    after = self._after((child.name, child_key))
                    if after is not None and parent_key(self._schema, relationship, after) == key:
                        found += self._referring((child.name, child_key), relationship)
        return found

    def _referring(self, record: Record, relationship: Relationship) -> list[LocalChange]:
        """The newest change of a record, not taken yet, that made it refer to its parent; none: the server did."""
        changes = [
            change
            for change in changes_of(self._connection, *record)
            if change.change_no not in self.gone
            and change.change_no not in self.marked
            and (change.unsent or change.state is ChangeState.SENT)
            and (
                change.operation is LocalOperation.INSERT
                or any(edit.name in relationship.fields for edit in change.edits)
            )
        ]
        return changes[-1:]

    def _after(self, record: Record) -> _Data | None:
        """The record as it will be, as far as it is known yet what goes."""
        base = read_base(self._connection, *record)
        changes = changes_of(self._connection, *record)
        left = (change for change in changes if change.change_no not in self.gone)
        text = lay_over(base.data if base is not None else None, left)
        return None if text is None else json.loads(text)


def _beyond(number: int | None) -> int:
    return 2**63 - 1 if number is None else number
