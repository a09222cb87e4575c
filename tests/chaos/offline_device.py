"""One device of a random history: its file, what its application does, and the account of every change it made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import UUID

from syncline.replica import Replica
from syncline.replica.errors import (
    AwaitingVerdict,
    ChildrenExist,
    DeferredRecord,
    KeyTaken,
    NotSynchronised,
    ParentMissing,
    RecordNotFound,
    TransactionSpansScopes,
)
from syncline.replica.objects import Objects
from tests.chaos.offline_file import ChangeRow, Data, FileContent, Item, check_view, read_file
from tests.chaos.offline_schema import CHILD, PARENT, SCOPE_OF
from tests.chaos.offline_server import OfflineServer

REFUSALS = (
    AwaitingVerdict,
    ChildrenExist,
    DeferredRecord,
    KeyTaken,
    NotSynchronised,
    ParentMissing,
    RecordNotFound,
    TransactionSpansScopes,
)
"""What an application must expect: it changes nothing then."""

DONE = frozenset({"applied", "merged", "server_won"})
"""Verdicts by which a change is over."""


class Write(NamedTuple):
    """One local write of an application."""

    action: str
    """`create`, `update` or `delete`; `put` is the first or second, `remove` the third if it can be."""
    kind: str
    key: str
    field: str
    value: str | None
    parent: str
    bucket: str
    upload: bool


class Transaction(NamedTuple):
    """Writes that stand or fall together."""

    writes: tuple[Write, ...]

    def about(self, kinds: Mapping[str, str]) -> Transaction:
        """The same with object types by these names."""
        return Transaction(tuple(write._replace(kind=kinds[write.kind]) for write in self.writes))

    def do(self, device: OfflineDevice) -> None:
        """Let the application of the device do it."""
        scope = SCOPE_OF[self.writes[0].kind]
        device.write([write for write in self.writes if SCOPE_OF[write.kind] == scope])


class OnRecord(NamedTuple):
    """A thing to do to one record: a method of `OfflineDevice`."""

    act: str
    kind: str
    key: str

    def about(self, kinds: Mapping[str, str]) -> OnRecord:
        """The same with object types by these names."""
        return self._replace(kind=kinds[self.kind])

    def do(self, device: OfflineDevice) -> None:
        """Let the application of the device do it."""
        getattr(device, self.act)(self.kind, self.key)


class OnAll(NamedTuple):
    """A thing to do to everything: a method of `OfflineDevice`."""

    act: str

    def about(self, _: Mapping[str, str]) -> OnAll:
        """The same: it is about all object types."""
        return self

    def do(self, device: OfflineDevice) -> None:
        """Let the application of the device do it."""
        getattr(device, self.act)()


Act = Transaction | OnRecord | OnAll
"""What an application does."""


class OfflineDevice:
    """A device with its file.

    After each step the file is read and compared with what it was before: whatever has gone must be accounted for.
    """

    def __init__(self, path: Path, server: OfflineServer, *, by_page: bool) -> None:
        self.path = path
        self._server = server
        self.by_page = by_page
        self._replica = self._open()
        self.content = read_file(path)

    @property
    def replica(self) -> Replica:
        """The open file."""
        return self._replica

    @property
    def uuid(self) -> UUID:
        """The device that the file is; a clone's is the same as the original's."""
        return self._replica.device_uuid

    def restart(self) -> None:
        """The application ends and is started again."""
        self._replica.close()
        self._replica = self._open()

    def close(self) -> None:
        """The application ends."""
        self._replica.close()

    def copy_to(self, path: Path) -> None:
        """Copy the file as a backup does, while the application is not running."""
        self._replica.close()
        shutil.copy(self.path, path)
        self._replica = self._open()

    def put_back(self, path: Path) -> None:
        """Put a copy in the file's place. What was made since then is lost, as the test knows."""
        self._replica.close()
        shutil.copy(path, self.path)
        for side in ("-wal", "-shm"):
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)
        self._replica = self._open()
        self.content = read_file(self.path)

    @contextmanager
    def step(self, taking: Collection[bytes] = (), *, downloads: bool = False) -> Iterator[None]:
        """Do something to the file, then look at it. `taking`: the changes that this may take away (G8)."""
        yield
        before, self.content = self.content, read_file(self.path)
        check_view(self.content)
        assert downloads or self.content.base == before.base, "only pages change the base"
        self._check_account(before, taking)

    def write(self, writes: list[Write]) -> None:
        """Do these in one transaction: all of them, or none if one is refused."""
        before = self.content
        expected = dict(before.view)
        # An update may merge into the one before it, and a delete may leave nothing of an insert that nobody saw.
        taking = before.together((write.kind, write.key) for write in writes)
        with self.step(taking):
            try:
                with self._replica.transaction():
                    for write in writes:
                        self._write(write, expected)
            except REFUSALS:
                expected = before.view
        assert self.content.view == expected, f"the application sees {self.content.view}, not {expected}"

    def roll_back(self, kind: str, key: str, *, cascade: bool = False) -> None:
        """Take back the record's changes."""
        self._act(kind, key, lambda: self._objects(kind).roll_back_pending_local_changes_by_pk(key, cascade=cascade))

    def roll_back_all(self) -> None:
        """Take back everything."""
        with self.step(self.content.made()):
            self._replica.roll_back_pending_local_changes()
        if all(change.state in ("sent", "settled", "hidden") for change in self.content.changes):
            return
        raise AssertionError(f"left after a roll back of everything: {self.content.changes}")

    def undo(self, kind: str, key: str) -> None:
        """Take back the record's last change."""
        self._act(kind, key, lambda: self._objects(kind).undo(key))

    def resend(self, kind: str, key: str) -> None:
        """Try again what was refused."""
        view = self.content.view
        self._act(kind, key, lambda: self._objects(kind).resend(key))
        assert self.content.view == view, "to send again changes nothing that the application sees"

    def resend_all(self) -> None:
        """Try again all that was refused."""
        for item in {change.item: None for change in self.content.in_state("rejected")}:
            with self.step(self.content.together([item])):
                self._replica.objects(item[0]).resend(item[1])

    def hide(self, kind: str, key: str) -> None:
        """Remove the record from this device only."""
        self._act(kind, key, lambda: self._objects(kind).remove_device_instance_by_pk(key))

    def mark(self, kind: str, key: str) -> None:
        """Let the record's deferred changes be uploaded."""
        self._act(kind, key, lambda: self._objects(kind).mark_for_upload_by_pk(key))

    def mark_all(self) -> None:
        """Let all deferred changes be uploaded."""
        with self.step():
            for item in {change.item for change in self.content.in_state("deferred")}:
                self._replica.objects(item[0]).mark_for_upload_by_pk(item[1])

    def roll_back_rejected(self) -> None:
        """Take back whatever was refused, and what depends on it."""
        while rejected := self.content.in_state("rejected"):
            object_type, key = rejected[0].item
            with self.step(self.content.together([rejected[0].item])):
                self._replica.objects(object_type).roll_back_pending_local_changes_by_pk(key, cascade=True)

    def reset(self) -> None:
        """Begin anew, and give up what was not sent."""
        with self.step(self.content.made(), downloads=True):
            self._replica.reset(discard_unsent=True)
        assert not self.content.changes
        assert not self.content.view

    def _act(self, kind: str, key: str, act: Callable[[], object]) -> None:
        with self.step(self.content.together([(kind, key)])), suppress(*REFUSALS):
            act()

    def _write(self, write: Write, view: dict[Item, Data]) -> None:
        """Do one write, and to `view` what it must do to what the application sees."""
        objects, item = self._objects(write.kind), (write.kind, write.key)
        if write.action == "create" or (write.action == "put" and item not in view):
            data = {"id": write.key, write.field: write.value}
            if write.kind == CHILD.name:
                data["of"] = write.parent
            objects.create(data, bucket=write.bucket, upload=write.upload)
            view[item] = {name: value for name, value in data.items() if value is not None}
        elif write.action in ("update", "put"):
            objects.update_by_pk(write.key, {write.field: write.value}, upload=write.upload)
            view[item] = {**view[item], write.field: write.value}
            view[item] = {name: value for name, value in view[item].items() if value is not None}
        elif write.action == "delete" or item in view:
            objects.delete_by_pk(write.key, upload=write.upload)
            del view[item]
            if write.kind == PARENT.name:
                children = [of for of, data in view.items() if of[0] == CHILD.name and data["of"] == write.key]
                for child in children:
                    del view[child]

    def _objects(self, kind: str) -> Objects:
        return self._replica.objects(kind)

    def _check_account(self, before: FileContent, taking: Collection[bytes]) -> None:
        """G8: what has gone was decided by the server or given up by the application. G6: no verdict is made up."""
        left = self.content.made()
        for uuid, change in before.made().items():
            if uuid in left or uuid in taking:
                continue
            verdicts = self._server.verdicts.get(uuid, set())
            done = not verdicts.isdisjoint(DONE)
            assert done or change.roll_back, f"lost: {change}, which the server answered {verdicts}"
            if done:
                self._check_covered(change)
        for uuid, change in left.items():
            verdicts = self._server.verdicts.get(uuid, set())
            if change.state == "settled":
                assert change.verdict in verdicts, f"{change} was answered {verdicts}"
            elif change.state == "rejected":
                assert "rejected" in verdicts, f"{change} was answered {verdicts}"

    def _check_covered(self, change: ChangeRow) -> None:
        """The base has caught up with a change that is no longer laid over it, so that the view never goes back."""
        base, decided_at = self.content.base.get(change.item), self._server.decided_at[change.uuid]
        reached = max(self.content.heads.get(SCOPE_OF[change.item[0]], 0), 0 if base is None else base.revision)
        # Of a record that a page took away no revision is left.
        assert reached >= decided_at or (self.by_page and base is None), f"{change} is gone before what came of it"

    def _open(self) -> Replica:
        apply: Literal["page", "checkpoint"] = "page" if self.by_page else "checkpoint"
        return Replica.open(self.path, self._server.address, apply=apply, page_size=2, attempts_max=3)
