"""What local writes are to do, as plainly as can be: a list of edits over a base, gone through from its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Name = tuple[str, str]
Data = dict[str, Any]

PARENTS = {"part": ("thing", "of"), "label": ("thing", "on")}
"""By object type: what it refers to, and the field that does."""
CASCADE = frozenset({"part"})
"""Types whose records go with their parents; the others hold them up."""
REQUIRED = frozenset({"part"})
MERGING = frozenset({"thing"})


class Refused(Exception):
    """A write that is refused; named as the error of the real thing."""


@dataclass(eq=False)
class Edit:
    """One undoable edit."""

    name: Name
    does: str
    transaction: int
    data: Data = field(default_factory=dict)
    """Insert: the record; update: (old, new) by field."""
    deferred: bool = False


class NaiveDevice:
    """A base, and the edits that lie over it."""

    def __init__(self) -> None:
        self.base: dict[Name, Data] = {}
        self.edits: list[Edit] = []
        self._numbers = count(1)
        self._open: int | None = None

    def view(self, without: frozenset[Edit] | set[Edit] = frozenset()) -> dict[Name, Data]:
        """What is to be seen."""
        seen = deepcopy(self.base)
        for edit in self.edits:
            if edit in without:
                continue
            if edit.does == "insert":
                seen[edit.name] = dict(edit.data)
            elif edit.does != "update":
                seen.pop(edit.name, None)
            elif edit.name in seen:
                _apply(seen[edit.name], edit)
        return seen

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another one: a part of it that can fail by itself."""
        before = list(self.edits), [(edit, dict(edit.data)) for edit in self.edits]
        outermost = self._open is None
        if outermost:
            self._open = next(self._numbers)
        try:
            yield
            if outermost:
                self._merge_into_earlier()
        except BaseException:
            self.edits = before[0]
            for edit, data in before[1]:
                edit.data = data
            raise
        finally:
            if outermost:
                self._open = None

    def create(self, name: Name, data: Data, *, upload: bool) -> None:
        if name in self.view():
            raise Refused("KeyTaken")
        self._check_deferral(name, upload=upload)
        self._check_parent(name, data)
        self._add(name, "insert", dict(data), upload=upload)

    def update(self, name: Name, changes: Data, *, upload: bool) -> bool:
        old = self._record(name)
        edits = {key: (old.get(key), value) for key, value in changes.items() if old.get(key) != value}
        if not edits:
            return False
        self._check_deferral(name, upload=upload)
        if name[0] in PARENTS and PARENTS[name[0]][1] in edits:
            self._check_parent(name, {key: new for key, (_, new) in edits.items()})
        before = self._last(name)
        self._add(name, "update", edits, upload=upload)
        if before is not None and before.transaction == self._open:
            self._merge(before, self.edits[-1])
        return True

    def delete(self, name: Name, *, upload: bool) -> int:
        self._record(name)
        going = self._with_cascade(name)
        for each in reversed(going):
            self._check_deferral(each, upload=upload)
            if any(child not in going for child in self._children(each) if child[0] not in CASCADE):
                raise Refused("ChildrenExist")
        for each in reversed(going):
            self._delete_one(each, upload=upload)
        return len(going)

    def hide(self, name: Name) -> int:
        self._record(name)
        going = self._with_cascade(name)
        for each in reversed(going):
            self.edits = [edit for edit in self.edits if edit.name != each or edit.does == "hide"]
            if each in self.view():
                self._add(each, "hide", {}, upload=True)
        return len(going)

    def mark(self, name: Name) -> int:
        names = {name}
        while True:
            marked = [edit for edit in self.edits if edit.deferred and edit.name in names]
            transactions = {edit.transaction for edit in marked}
            more = {edit.name for edit in self.edits if edit.deferred and edit.transaction in transactions} - names
            if not more:
                break
            names |= more
        for edit in marked:
            edit.deferred = False
        return len(marked)

    def receive(self, name: Name, data: Data | None) -> None:
        """The server's new state of a record. What was hidden of the old one is seen again."""
        self.base.pop(name, None)
        if data is not None:
            self.base[name] = dict(data)
        of_record = [edit for edit in self.edits if edit.name == name]
        while of_record and of_record[0].does == "hide":
            self.edits.remove(of_record.pop(0))

    def undo(self, name: Name) -> int:
        own = [edit for edit in self.edits if edit.name == name and edit.does != "hide"]
        return self._take(set(own[-1:]), cascade=False)

    def roll_back(self, object_type: str | None, key: str | None, *, cascade: bool) -> int:
        seeds = {
            edit
            for edit in self.edits
            if edit.does != "hide" and object_type in (None, edit.name[0]) and key in (None, edit.name[1])
        }
        return self._take(seeds, cascade=cascade)

    def _take(self, taken: set[Edit], *, cascade: bool) -> int:
        before = self.view()
        while True:
            size = len(taken)
            for at, edit in enumerate(self.edits):
                if edit.does != "hide" and any(
                    edit.transaction == other.transaction or (edit.name == other.name and at > self.edits.index(other))
                    for other in taken
                ):
                    taken.add(edit)
            if len(taken) == size:
                self._follow(taken, before, cascade=cascade)
            if len(taken) == size:
                break
        self.edits = [edit for edit in self.edits if edit not in taken]
        return len(taken)

    def _follow(self, taken: set[Edit], before: dict[Name, Data], *, cascade: bool) -> None:
        """Take what depends by relationships on how things will be."""
        after = self.view(taken)
        for name, data in after.items():
            parent = _parent(name, data)
            if parent is None or parent in after:
                continue
            if parent in before:
                reasons = [e for e in self.edits if e.name == name and e not in taken and _sets_parent(e)]
                if reasons and not cascade:
                    raise Refused("ChildrenExist")
                taken.update(reasons[-1:])
            elif any(edit.name == name for edit in taken) and (
                name not in before or _parent(name, before[name]) != parent
            ):
                deletes = [edit for edit in self.edits if edit.name == parent and edit.does == "delete"]
                taken.update(deletes[-1:])

    def _delete_one(self, name: Name, *, upload: bool) -> None:
        own = [edit for edit in self.edits if edit.name == name]
        created = max((at for at, edit in enumerate(own) if edit.does == "insert"), default=None)
        if created is not None:
            tail = set(own[created:])
            alone = all(
                edit in tail or edit.transaction == self._open
                for edit in self.edits
                if edit.transaction in {each.transaction for each in tail}
            )
            if alone and name not in self.view(tail):
                self.edits = [edit for edit in self.edits if edit not in tail]
                return
        self._add(name, "delete", {}, upload=upload)

    def _merge_into_earlier(self) -> None:
        """An update that is alone in its transaction goes into the one before it."""
        own = [edit for edit in self.edits if edit.transaction == self._open and edit.does != "hide"]
        if len(own) != 1:
            return
        (edit,) = own
        others = [each for each in self.edits if each.name == edit.name and each is not edit]
        if others and edit.does == "update":
            self._merge(others[-1], edit)

    def _merge(self, earlier: Edit, later: Edit) -> None:
        alone = sum(each.transaction == earlier.transaction for each in self.edits if each is not later) == 1
        if later.name[0] not in MERGING or earlier.does != "update" or earlier.deferred != later.deferred or not alone:
            return
        for key, (old, new) in later.data.items():
            earlier.data[key] = (earlier.data.get(key, (old, new))[0], new)
        earlier.data = {key: (old, new) for key, (old, new) in earlier.data.items() if old != new}
        self.edits.remove(later)
        if not earlier.data:
            self.edits.remove(earlier)

    def _add(self, name: Name, does: str, data: Data, *, upload: bool) -> None:
        assert self._open is not None
        self.edits.append(Edit(name, does, self._open, data, not upload and does != "hide"))

    def _last(self, name: Name) -> Edit | None:
        return next((edit for edit in reversed(self.edits) if edit.name == name), None)

    def _record(self, name: Name) -> Data:
        seen = self.view()
        if name not in seen:
            raise Refused("RecordNotFound")
        return seen[name]

    def _check_deferral(self, name: Name, *, upload: bool) -> None:
        if upload and any(edit.deferred for edit in self.edits if edit.name == name):
            raise Refused("DeferredRecord")

    def _check_parent(self, name: Name, data: Data) -> None:
        if name[0] in REQUIRED and _parent(name, data) not in self.view():
            raise Refused("ParentMissing")

    def _children(self, name: Name) -> list[Name]:
        return [child for child, data in self.view().items() if _parent(child, data) == name]

    def _with_cascade(self, name: Name) -> list[Name]:
        """Parents before their children."""
        return [name, *(child for child in sorted(self._children(name)) if child[0] in CASCADE)]


def _apply(record: Data, edit: Edit) -> None:
    for key, (_, new) in edit.data.items():
        if new is None:
            record.pop(key, None)
        else:
            record[key] = new


def _parent(name: Name, data: Data) -> Name | None:
    if name[0] not in PARENTS:
        return None
    parent, key = PARENTS[name[0]]
    return (parent, data[key]) if data.get(key) is not None else None


def _sets_parent(edit: Edit) -> bool:
    return edit.does == "insert" or (edit.does == "update" and PARENTS[edit.name[0]][1] in edit.data)
