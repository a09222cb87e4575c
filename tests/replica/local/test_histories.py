"""Random histories of one device without a network, step by step against a naive list of edits over a base."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from syncline.data.schema import DeleteRule, Field, FieldType, ObjectType, Relationship, Schema
from syncline.replica.errors import WriteRefused
from syncline.replica.writing import LocalWriter
from tests.replica.local.device import Device
from tests.replica.local.naive_device import NaiveDevice, Refused

TEXT = FieldType.STRING
THING = ObjectType(
    "thing",
    "air",
    (Field("id", TEXT, required=True), Field("a", TEXT), Field("b", TEXT)),
    ("id",),
    merge_unsent_updates=True,
)
PART = ObjectType(
    "part",
    "air",
    (Field("of", TEXT), Field("a", TEXT)),
    relationships=(Relationship("whole", ("of",), "thing", required=True, on_delete=DeleteRule.CASCADE),),
)
LABEL = ObjectType(
    "label", "air", (Field("on", TEXT), Field("a", TEXT)), relationships=(Relationship("stuck", ("on",), "thing"),)
)
SCHEMA = Schema(3, (THING, PART, LABEL))

VALUES = st.sampled_from(["1", "2", None])
THINGS = st.sampled_from(["x", "y"])
NAMES = st.one_of(
    st.tuples(st.just("thing"), THINGS),
    st.tuples(st.sampled_from(["part", "label"]), st.sampled_from(["p", "q"])),
)
UPLOADS = st.sampled_from([True, True, True, False])


@st.composite
def _writes(draw: st.DrawFn) -> tuple[str, tuple[str, str], dict[str, Any], bool]:
    """One write: what, of which record, with which fields, for upload or not."""
    name = draw(NAMES)
    does = draw(st.sampled_from(["create", "create", "update", "update", "delete"]))
    return does, name, draw(_fields(name, whole=does == "create")), draw(UPLOADS)


def _fields(name: tuple[str, str], *, whole: bool) -> st.SearchStrategy[dict[str, Any]]:
    fields: dict[str, st.SearchStrategy[Any]] = {"a": VALUES}
    if name[0] == "thing":
        fields["b"] = VALUES
        required: dict[str, st.SearchStrategy[Any]] = {"id": st.just(name[1])} if whole else {}
    else:
        parent = {"part": "of", "label": "on"}[name[0]]
        required = {parent: THINGS} if whole else {}
        if not whole:
            fields[parent] = THINGS
    return st.fixed_dictionaries(required, optional=fields)


class Histories(RuleBasedStateMachine):
    """Both devices do the same, and are compared after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.device = Device(Path(self.folder.name) / "device.db", SCHEMA)
        # Histories are many and short, and no power is lost in any.
        for connection in (self.device.bench.connection, self.device.local.connection):
            connection.execute("PRAGMA synchronous = OFF")
        self.naive = NaiveDevice()

    def teardown(self) -> None:
        self.device.roll_back()
        self.naive.roll_back(None, None, cascade=False)
        self._compare()
        hidden = {edit.name for edit in self.naive.edits}
        assert self.naive.view() == {name: data for name, data in self.naive.base.items() if name not in hidden}
        self.device.close()
        self.folder.cleanup()

    @initialize(data=st.lists(st.tuples(NAMES, st.data()), max_size=4))
    def begin(self, data: list[tuple[tuple[str, str], st.DataObject]]) -> None:
        items = {name: chooser.draw(_fields(name, whole=True)) for name, chooser in data}
        self._receive({("thing", "x"): {"id": "x", "a": "0"}, **items})

    @rule(write=_writes())
    def write(self, write: tuple[str, tuple[str, str], dict[str, Any], bool]) -> None:
        with self.device.local.transaction() as writer, self.naive.transaction():
            self._write(writer, write)
        self._compare()

    @rule(writes=st.lists(_writes(), min_size=2, max_size=4), raises=st.booleans())
    def write_several(self, writes: list[tuple[str, tuple[str, str], dict[str, Any], bool]], raises: bool) -> None:
        with suppress(_Leave), self.device.local.transaction() as writer, self.naive.transaction():
            for write in writes:
                self._write(writer, write)
            if raises:
                raise _Leave
        self._compare()

    @rule(first=_writes(), inner=st.lists(_writes(), min_size=1, max_size=2), last=_writes(), raises=st.booleans())
    def write_within(self, first: Any, inner: list[Any], last: Any, raises: bool) -> None:
        local, naive = self.device.local, self.naive
        with local.transaction() as writer, naive.transaction():
            self._write(writer, first)
            with suppress(_Leave), local.transaction(), naive.transaction():
                for write in inner:
                    self._write(writer, write)
                if raises:
                    raise _Leave
            self._write(writer, last)
        self._compare()

    @rule(name=NAMES)
    def hide(self, name: tuple[str, str]) -> None:
        with self.device.local.transaction() as writer, self.naive.transaction():
            self._same(lambda: writer.hide(*name), lambda: self.naive.hide(name))
        self._compare()

    @rule(name=NAMES)
    def mark(self, name: tuple[str, str]) -> None:
        assert self.device.mark(*name) == self.naive.mark(name)
        self._compare()

    @rule(name=NAMES)
    def undo(self, name: tuple[str, str]) -> None:
        self._same(lambda: self.device.undo(*name).rolled_back, lambda: self.naive.undo(name))
        self._compare()

    @rule(name=NAMES, key=st.booleans(), cascade=st.booleans())
    def roll_back(self, name: tuple[str, str], key: bool, cascade: bool) -> None:
        chosen = name if key else (name[0], None)
        self._same(
            lambda: self.device.roll_back(*chosen, cascade=cascade).rolled_back,
            lambda: self.naive.roll_back(*chosen, cascade=cascade),
        )
        self._compare()

    @rule()
    def roll_back_all(self) -> None:
        assert self.device.roll_back().rolled_back == self.naive.roll_back(None, None, cascade=False)
        self._compare()

    @rule(name=NAMES, data=st.data(), gone=st.booleans())
    def receive(self, name: tuple[str, str], data: st.DataObject, gone: bool) -> None:
        self._receive({name: None if gone else data.draw(_fields(name, whole=True))})

    def _receive(self, items: dict[tuple[str, str], dict[str, Any] | None]) -> None:
        records = {name: None if data is None else _present(data) for name, data in items.items()}
        self.device.receive(*((*name, data) for name, data in records.items()))
        for name, data in records.items():
            self.naive.receive(name, data)
        self._compare()

    def _write(self, writer: LocalWriter, write: tuple[str, tuple[str, str], dict[str, Any], bool]) -> None:
        does, (object_type, key), data, upload = write
        name = (object_type, key)
        if does == "create":
            given = None if object_type == "thing" else key
            self._same(
                lambda: writer.create(object_type, data, key=given, upload=upload) and None,
                lambda: self.naive.create(name, _present(data), upload=upload),
            )
        elif does == "update":
            self._same(
                lambda: writer.update(object_type, key, data, upload=upload),
                lambda: self.naive.update(name, data, upload=upload),
            )
        else:
            self._same(
                lambda: writer.delete(object_type, key, upload=upload),
                lambda: self.naive.delete(name, upload=upload),
            )

    def _same(self, real: Any, naive: Any) -> None:
        """Both answer the same, or refuse for the same reason."""
        assert _outcome(real) == _outcome(naive)

    def _compare(self) -> None:
        seen = {
            (kind.name, key): record
            for kind in SCHEMA.object_types
            for key, record in self.device.records(kind.name).items()
        }
        assert seen == self.naive.view()
        changes = [(change.record, change.operation.value, change.state.value) for change in self.device.changes()]
        assert changes == [
            (edit.name, edit.does, "hidden" if edit.does == "hide" else "deferred" if edit.deferred else "pending")
            for edit in self.naive.edits
        ]
        changed = {edit.name[0] for edit in self.naive.edits}
        assert {kind.name for kind in SCHEMA.object_types if not self.device.view_is_plain(kind.name)} == changed


class _Leave(Exception):
    """Leaves a block."""


def _present(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _outcome(call: Any) -> object:
    try:
        return call()
    except WriteRefused as error:
        return type(error).__name__
    except Refused as error:
        return str(error)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
