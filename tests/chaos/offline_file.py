"""A device file as it stands, read by plain SQL, and what must be true of it at any time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.offline_schema import CHILD, KINDS, PARENT

Data = dict[str, Any]
Item = tuple[str, str]
"""Object type and key."""
Edits = list[tuple[str, str | None, str | None]]
"""Names of fields with their old and new values as JSON texts."""

UNSENT = frozenset({"deferred", "pending", "rejected"})
"""States of changes that the network has not got, or has refused."""


@dataclass(frozen=True)
class ChangeRow:
    """One local change."""

    change_no: int
    uuid: bytes
    item: Item
    operation: str
    state: str
    transaction_no: int
    change_seq: int | None
    roll_back: bool
    verdict: str | None
    verdict_data: Data | None
    data: Data | None
    edits: Edits

    def parents(self) -> set[Item]:
        """The records that it makes its own record refer to, or refer to no more."""
        if self.item[0] != CHILD.name:
            return set()
        texts = [value for name, *values in self.edits if name == "of" for value in values if value is not None]
        keys = [json.loads(text) for text in texts] + ([] if self.data is None else [self.data.get("of")])
        return {(PARENT.name, key) for key in keys if key is not None}


@dataclass(frozen=True)
class BaseRow:
    """A record as the server last told of it."""

    bucket: str
    revision: int
    text: str
    """Its data as it stands in the file."""


@dataclass(frozen=True)
class FileContent:
    """All that the checks look at, as of one moment."""

    base: dict[Item, BaseRow]
    """Of the object types that are shown."""
    view: dict[Item, Data]
    """What the application sees."""
    changes: list[ChangeRow]
    """In the order in which they were made."""
    overlays: int
    """Rows of the tables that hold what is laid over the base."""
    heads: dict[str, int]
    """For each scope the account's head at its newest checkpoint."""

    def made(self) -> dict[bytes, ChangeRow]:
        """The changes by their UUID. Hiding a record is none: it concerns this device alone."""
        return {change.uuid: change for change in self.changes if change.state != "hidden"}

    def in_state(self, *states: str) -> list[ChangeRow]:
        """The changes in one of these states."""
        return [change for change in self.changes if change.state in states]

    def together(self, items: Iterable[Item]) -> set[bytes]:
        """The unsent changes that an act on these records may take with it.

        They are those of the records, of all that shares a transaction with them, and of children and parents.
        """
        open_changes = self.in_state(*UNSENT, "sent", "hidden")
        families = [{item, parent} for item, parent in self._parents()]
        families += [{change.item, *change.parents()} for change in open_changes]
        transactions: dict[int, set[Item]] = {}
        for change in open_changes:
            transactions.setdefault(change.transaction_no, set()).add(change.item)
        groups = [*families, *transactions.values()]
        reached = set(items)
        while found := [group for group in groups if not group.isdisjoint(reached) and not group <= reached]:
            reached.update(*found)
        return {change.uuid for change in self.in_state(*UNSENT, "hidden") if change.item in reached}

    def _parents(self) -> Iterator[tuple[Item, Item]]:
        """The children that the server or the application knows of, each with its parent."""
        datas = [*self.view.items(), *((item, json.loads(row.text)) for item, row in self.base.items())]
        for item, data in datas:
            if item[0] == CHILD.name and "of" in data:
                yield item, (PARENT.name, data["of"])

    def held_back(self) -> set[bytes]:
        """The pending changes that wait for others: for a refused or deferred one, and for those that wait for it."""
        blocked: set[Item] = set()
        waiting: set[bytes] = set()
        grown = True
        while grown:
            grown = False
            blocked.clear()
            stopped: set[int] = {
                change.transaction_no
                for change in self.changes
                if change.uuid in waiting or change.state in ("rejected", "deferred")
            }
            for change in self.changes:
                if change.state in ("rejected", "deferred") or change.uuid in waiting:
                    blocked.add(change.item)
                elif change.state == "pending" and (change.item in blocked or change.transaction_no in stopped):
                    waiting.add(change.uuid)
                    blocked.add(change.item)
                    grown = True
        return waiting


def read_file(path: Path) -> FileContent:
    """Read a device file in one snapshot."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        objects = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        base: dict[Item, BaseRow] = {}
        view: dict[Item, Data] = {}
        overlays = 0
        for kind in KINDS:
            if kind.name not in objects:
                continue
            rows = connection.execute(f"SELECT _key, _bucket, _revision, _data FROM syncline_base_{kind.name}")
            base |= {(kind.name, key): BaseRow(*row) for key, *row in rows}
            names = [field.name for field in kind.fields]
            for key, *values in connection.execute(f"SELECT _key, {', '.join(names)} FROM {kind.name}"):
                assert (kind.name, key) not in view, f"{kind.name} {key} is shown twice"
                found = zip(names, values, strict=True)
                view[kind.name, key] = {name: value for name, value in found if value is not None}
            overlays += connection.execute(f"SELECT count(*) FROM syncline_local_{kind.name}").fetchone()[0]
        heads = dict(connection.execute("SELECT scope, head_revision FROM syncline_checkpoint"))
        return FileContent(base, view, _read_changes(connection), overlays, heads)


def check_view(content: FileContent) -> None:
    """The view is the base with the changes laid over it."""
    changes: dict[Item, list[ChangeRow]] = {}
    for change in content.changes:
        changes.setdefault(change.item, []).append(change)
    for item in content.base.keys() | content.view.keys() | changes.keys():
        base = content.base.get(item)
        wanted = _lay_over(None if base is None else json.loads(base.text), changes.get(item, []))
        assert content.view.get(item) == wanted, (
            f"{item}: the application sees {content.view.get(item)}, not {wanted}: base {base}, {changes.get(item)}"
        )


def _lay_over(base: Data | None, changes: Iterable[ChangeRow]) -> Data | None:
    data = base
    for change in changes:
        if change.state == "settled" and change.verdict in ("merged", "server_won"):
            data = change.verdict_data
        elif change.operation == "insert":
            data = change.data
        elif change.operation == "update":
            data = None if data is None else edited(data, {name: new for name, _, new in change.edits})
        else:
            data = None
    return data


def edited(data: Data, values: dict[str, str | None]) -> Data:
    """The record with new values, as JSON texts; None: the field goes."""
    result = dict(data)
    for name, value in values.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = json.loads(value)
    return result


def _read_changes(connection: sqlite3.Connection) -> list[ChangeRow]:
    rows = connection.execute(
        """SELECT change_no, change_uuid, object_type, key, operation, state, transaction_no, change_seq, roll_back,
        verdict, verdict_data, data, edits FROM syncline_change ORDER BY change_no"""
    )
    return [
        ChangeRow(
            change_no=row[0],
            uuid=row[1],
            item=(row[2], row[3]),
            operation=row[4],
            state=row[5],
            transaction_no=row[6],
            change_seq=row[7],
            roll_back=bool(row[8]),
            verdict=row[9],
            verdict_data=None if row[10] is None else json.loads(row[10]),
            data=None if row[11] is None else json.loads(row[11]),
            edits=[] if row[12] is None else [(name, old, new) for name, old, new in json.loads(row[12])],
        )
        for row in rows
    ]
