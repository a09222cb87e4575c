"""The tables of docs/conflicts.md, every cell tried with two devices and a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from syncline.client import Ack, Data, Meta, SyncClient
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Schema
from syncline.replica import Replica
from syncline.storage import open_store
from tests.harness.server_thread import server_thread

PAGE = (Path(__file__).parents[2] / "docs" / "conflicts.md").read_text()
SECTIONS = {"insert": "### The device inserts", "update": "### The device updates", "delete": "### The device deletes"}
MEANWHILE = ("nothing", "insert", "update of another field", "update of the same field", "delete")
POLICIES = tuple(policy.value for policy in ConflictPolicy)
BEFORE = "Ann 1 Oslo"


class Cell(NamedTuple):
    """One cell of the table. Its record has an object type for the policy, and a key for the rest."""

    operation: str
    meanwhile: str
    policy: str

    @property
    def key(self) -> str:
        return f"{self.operation}, {self.meanwhile}"


class Outcome(NamedTuple):
    """What a cell says; records as their texts, empty for none."""

    there: str
    verdict: str
    server: str
    device: str
    others_get: str
    logged: str


CELLS = [Cell(*each) for each in product(SECTIONS, MEANWHILE, POLICIES)]


def test_the_conflict_table_has_every_cell_once() -> None:
    assert sorted(cell for cell, _ in _rows()) == sorted(CELLS)


def test_g8_every_cell_of_the_conflict_table(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_resolver(tmp_path, monkeypatch)
    with closing(open_store(store_url)) as store, server_thread() as servers:
        store.create_account("dev")
        store.write_schema("dev", Schema(object_types=tuple(map(_object_type, POLICIES))), expected_version=0)
        with servers.serving(store) as running:
            assert _play(running.address, tmp_path) == dict(_rows())


def test_an_update_of_a_deleted_record_can_only_be_dropped(tmp_path: Path) -> None:
    with closing(open_store("memory:")) as store, server_thread() as servers:
        store.create_account("dev")
        store.write_schema("dev", Schema(object_types=(_object_type("reject"),)), expected_version=0)
        with (
            servers.serving(store) as running,
            Replica.open(tmp_path / "device.db", running.address) as device,
            Replica.open(tmp_path / "other.db", running.address) as other,
        ):
            other.sync()
            other.objects("reject").create({"id": "a", "name": "Ann"})
            other.sync()
            device.sync()
            other.objects("reject").delete_by_pk("a")
            other.sync()
            records = device.objects("reject")
            records.update_by_pk("a", {"name": "Bea"})
            device.sync()
            (rejected,) = records.get_rejected()
            assert rejected.changes == {"name": ("Ann", "Bea")}
            assert records.get_all() == []
            assert records.resend("a") == 0
            assert records.get_rejected() == []


def _rows() -> Iterator[tuple[Cell, Outcome]]:
    """The cells of the page; a row stands for each of its policies."""
    for operation, heading in SECTIONS.items():
        section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
        for line in re.findall(r"^\| (.*) \|$", section, flags=re.MULTILINE)[1:]:
            meanwhile, there, policies, *outcome = (cell.strip("`\N{EN DASH}") for cell in line.split(" | "))
            for policy in POLICIES if policies == "any" else policies.split(", "):
                yield Cell(operation, meanwhile, policy), Outcome(there, *outcome)


def _object_type(policy: str) -> ObjectType:
    """The type whose records meet under this policy."""
    return ObjectType(
        policy,
        "main",
        tuple(Field(name, FieldType.STRING, required=name == "id") for name in ("id", "name", "phone", "city")),
        ("id",),
        conflict_policy=ConflictPolicy(policy),
        resolver="keep_both" if policy == "resolver" else "",
    )


class Observer:
    """A device that changes nothing: what the server holds, and what came since it was last asked."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self.records: dict[tuple[str, str], str] = {}
        self._events: dict[tuple[str, str], str] = {}

    def catch_up(self) -> dict[tuple[str, str], str]:
        """Synchronise: the event of each record that changed."""
        self._events = {}
        self._client.sync(self._take)
        return self._events

    def _take(self, meta: Meta, data: Data | None) -> Ack:
        item = (meta.object_type, meta.key)
        self._events[item] = meta.event_type.name.lower()
        if data is None:
            self.records.pop(item, None)
        else:
            self.records[item] = _text(data)
        return Ack.ACK


def _play(address: str, folder: Path) -> dict[Cell, Outcome]:
    """Let a device make its changes without a network while another one makes those of meanwhile; then synchronise."""
    with (
        Replica.open(folder / "device.db", address) as device,
        Replica.open(folder / "other.db", address) as other,
        SyncClient(address, uuid4()) as client,
    ):
        observer = Observer(client)
        other.sync()
        _write(other, lambda cell: None if cell.operation == "insert" else ("insert", BEFORE))
        for each in (other, device):
            each.sync()
        _write(device, _own_change)
        for change in (_others_first, _others_second):
            _write(other, change)
            other.sync()
        observer.catch_up()
        there = dict(observer.records)

        device.push()
        verdicts = {
            (row["object_type"], row["key"]): row["verdict"]
            for row in device.query("SELECT object_type, key, verdict FROM syncline_change")
        }
        events = observer.catch_up()
        device.sync()
        other.sync()
        assert _shown(other) == observer.records
        shown = _shown(device)
        logged = {(conflict.object_type, conflict.key) for conflict in device.conflicts()}
        with SyncClient(address, device.device_uuid) as own:
            assert {(conflict.object_type, conflict.key) for conflict in own.list_conflicts()} == logged

    def outcome(item: tuple[str, str]) -> Outcome:
        return Outcome(
            there.get(item, ""),
            verdicts[item],
            observer.records.get(item, ""),
            shown.get(item, ""),
            events.get(item, ""),
            "yes" if item in logged else "no",
        )

    return {cell: outcome((cell.policy, cell.key)) for cell in CELLS}


Write = tuple[str, str]
"""An operation, and the record after it."""


def _own_change(cell: Cell) -> Write:
    return cell.operation, "Bea · Rome" if cell.operation == "insert" else "Bea 1 Rome"


def _others_first(cell: Cell) -> Write | None:
    """What the other device does meanwhile, to begin with."""
    if cell.operation == "insert":
        return None if cell.meanwhile in ("nothing", "insert") else _own_change(cell)
    return ("delete", "") if cell.meanwhile == "insert" else None


def _others_second(cell: Cell) -> Write | None:
    """What it does then."""
    new = cell.operation == "insert"
    return {
        "nothing": None,
        "insert": ("insert", "Cleo 3 ·"),
        "update of another field": ("update", "Bea 2 Rome" if new else "Ann 2 Oslo"),
        "update of the same field": ("update", "Cleo · Rome" if new else "Cleo 1 Oslo"),
        "delete": ("delete", ""),
    }[cell.meanwhile]


def _write(replica: Replica, change: Callable[[Cell], Write | None]) -> None:
    """Make a change of each cell's record; each is a transaction of its own."""
    for cell in CELLS:
        write = change(cell)
        if write is None:
            continue
        operation, text = write
        objects = replica.objects(cell.policy)
        if operation == "delete":
            objects.delete_by_pk(cell.key)
            continue
        values = dict(zip(("name", "phone", "city"), text.split(), strict=True))
        fields = {name: None if value == "·" else value for name, value in values.items()}
        if operation == "insert":
            objects.create({"id": cell.key, **fields})
        else:
            objects.update_by_pk(cell.key, fields)


def _shown(replica: Replica) -> dict[tuple[str, str], str]:
    """The records that the app sees."""
    return {
        (policy, record.key): _text(record.data) for policy in POLICIES for record in replica.objects(policy).get_all()
    }


def _text(data: Mapping[str, Any]) -> str:
    return " ".join(data.get(name) or "·" for name in ("name", "phone", "city"))


def _install_resolver(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the resolver of the page, as a package of its own."""
    source = PAGE.partition("<!-- the resolver of the tables -->\n```python\n")[2].partition("```")[0]
    (folder / "resolver_of_the_page.py").write_text(source)
    info = folder / "resolver_of_the_page-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: resolver_of_the_page\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[syncline.resolvers]\nkeep_both = resolver_of_the_page:keep_both\n")
    monkeypatch.syspath_prepend(folder)
