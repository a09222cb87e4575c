"""Editing a device file from a shell, and sending what was edited."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Relationship, Schema
from syncline.replica import Replica
from syncline.storage import open_store
from tests.cli.conftest import Syncline
from tests.harness.server_thread import server_thread

LIST = ObjectType("list", "main", (Field("id", FieldType.STRING, required=True),), ("id",))
TASK = ObjectType(
    "task",
    "main",
    (
        Field("no", FieldType.INTEGER, required=True),
        Field("text", FieldType.STRING),
        Field("done", FieldType.BOOLEAN),
        Field("list", FieldType.STRING),
    ),
    ("no",),
    (Relationship("list", ("list",), "list", required=False),),
    ConflictPolicy.REJECT,
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with closing(open_store("memory:")) as store, server_thread() as servers:
        store.create_account("dev")
        store.write_schema("dev", Schema(object_types=(LIST, TASK)), expected_version=0)
        with servers.serving(store) as running:
            yield running.address


@pytest.fixture
def device(file: Path, address: str, syncline: Syncline) -> Path:
    """A file that has synchronised once. Records of other tests are in it, too."""
    assert syncline("sync", file, "--server", address).status == 0
    return file


@pytest.fixture
def number() -> str:
    """The number of a task that no other test has."""
    return str(uuid4().int % 10**15)


def _pending(syncline: Syncline, file: Path, *words: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(syncline("pending", file, "--json", *words).stdout)
    return listed


def test_a_record_is_created_changed_deleted_and_sent(
    device: Path, address: str, number: str, syncline: Syncline
) -> None:
    assert syncline("set", device, "task", number, "text=buy milk", "done=false", "--create").stdout == (
        f"created task [{number}]\n"
    )
    assert syncline("set", device, "task", number, "done=true", "text=").stdout == f"changed task [{number}]\n"
    assert "like that already" in syncline("set", device, "task", f"[{number}]", "done:=true").stdout
    assert [(each["operation"], each["data"]) for each in _pending(syncline, device)] == [
        ("insert", {"no": int(number), "text": "buy milk", "done": False}),
        ("update", {"no": int(number), "done": True}),
    ]
    shown = syncline("pending", device).stdout
    assert "buy milk" in shown
    assert '{"done": true, "text": null}' in shown
    assert "changes     2 pending\n" in syncline("status", device).stdout
    assert json.loads(syncline("status", device, "--json").stdout)["changes"]["pending"] == 2

    pushed = syncline("push", device, "--server", address).stdout
    assert "uploaded" in pushed
    assert "2 changes were decided" in pushed
    assert syncline("push", device, "--server", address).stdout == "nothing waits to be sent\n"
    assert syncline("pending", device).stdout == "nothing waits\n"

    deleted = syncline("set", device, "task", number, "--delete", "--json", SYNCLINE_FILE=str(device))
    assert json.loads(deleted.stdout) == {
        "object_type": "task",
        "key": f"[{number}]",
        "done": "deleted",
        "records": 1,
    }
    synced = json.loads(syncline("sync", device, "--server", address, "--json").stdout)
    assert synced["upload"]["counts"]["task"]["applied"] == 1
    assert "changes     none wait\n" in syncline("status", device).stdout


def test_counts_by_scope_type_and_state(device: Path, number: str, syncline: Syncline) -> None:
    syncline("set", device, "list", f"l{number}", "--create")
    syncline("set", device, "task", number, "--create", "--defer")
    assert _pending(syncline, device, "--counts") == [
        {"scope": "main", "object_type": "list", "pending": 1, "sent": 0, "deferred": 0, "rejected": 0},
        {"scope": "main", "object_type": "task", "pending": 0, "sent": 0, "deferred": 1, "rejected": 0},
    ]
    assert len(_pending(syncline, device, "--counts", "--type", "task", "--scope", "main")) == 1
    assert _pending(syncline, device, "--scope", "other") == []
    (deferred,) = _pending(syncline, device, "--type", "task")
    assert deferred["state"] == "deferred"
    assert "deferred" in syncline("pending", device, "--counts").stdout
    # The file is read without its lock.
    with Replica.open(device):
        assert len(_pending(syncline, device)) == 2


def test_changes_are_taken_back(device: Path, number: str, syncline: Syncline) -> None:
    name = f"l{number}"
    syncline("set", device, "list", name, "--create")
    syncline("set", device, "task", number, f"list={name}", "--create")
    syncline("set", device, "task", number, "text=changed")
    assert json.loads(syncline("undo", device, "task", number, "--json").stdout) == {"rolled_back": 1, "awaiting": 0}
    refused = syncline("rollback", device, "list", name, "--yes")
    assert refused.status == 1
    assert "refer to it" in refused.stderr
    assert syncline("rollback", device, "list", name, "--cascade", "-y").stdout == "2 changes were taken back\n"

    syncline("set", device, "list", name, "--create")
    assert "1 changes were taken back" in syncline("rollback", device, "list", "--yes").stdout
    syncline("set", device, "list", name, "--create")
    assert "1 changes were taken back" in syncline("rollback", "--yes", SYNCLINE_FILE=str(device)).stdout
    assert syncline("undo", device, "list", name).stdout == "there was nothing to take back\n"


def test_a_roll_back_asks_first(
    device: Path, number: str, syncline: Syncline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    syncline("set", device, "list", f"l{number}", "--create")
    for answer, left in (("n", 1), ("", 1), ("y", 0)):
        (tmp_path / "answer").write_text(f"{answer}\n")
        with (tmp_path / "answer").open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            asked = syncline("rollback", device, "list")
        assert "Take back the local changes of list?" in asked.stderr
        assert asked.status == left
        assert len(_pending(syncline, device)) == left


def test_a_refused_change_is_mended_and_sent_again(
    device: Path, address: str, number: str, syncline: Syncline, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    syncline("set", device, "task", number, "text=first", "--create")
    syncline("push", device, "--server", address)
    syncline("sync", other, "--server", address)
    syncline("sync", device, "--server", address)
    syncline("set", other, "task", number, "text=theirs")
    syncline("push", other, "--server", address)

    syncline("set", device, "task", number, "text=ours")
    synced = syncline("sync", device, "--server", address).stdout
    assert "1 rejected:" in synced
    assert "CONFLICT_REFUSED" in synced
    assert "syncline resend" in synced
    assert "CONFLICT_REFUSED" in syncline("pending", device).stdout
    assert "changes     1 rejected\n" in syncline("status", device).stdout

    for words in ((), ("--server", address), ("--server", address, "--all-devices")):
        (conflict,) = json.loads(
            syncline("conflicts", device, *words, "--key", f"[{number}]", "--type", "task", "--json").stdout
        )
        assert conflict["verdict"] == "rejected"
        assert conflict["policy"] == "reject"
        assert conflict["fields"] == ["text"]
        assert conflict["device_data"] == {"text": "ours"}
        assert conflict["server_data"] == {"no": int(number), "text": "theirs"}
        shown = syncline("conflicts", device, *words).stdout
        assert "theirs" in shown
        assert "ours" in shown
    assert json.loads(syncline("conflicts", other, "--server", address, "--json").stdout) == []
    elsewhere = syncline("conflicts", other, "--all-devices", "--json", SYNCLINE_SERVER=address)
    assert json.loads(elsewhere.stdout)[0]["key"] == f"[{number}]"

    syncline("set", device, "task", number, "text=both")
    assert syncline("resend", device, "task", number).stdout == "1 changes go up with the next sync or push\n"
    report = json.loads(syncline("push", device, "--server", address, "--json").stdout)
    assert report["counts"]["task"]["applied"] == 1
    syncline("sync", other, "--server", address)
    (row,) = json.loads(syncline("query", other, f"SELECT text FROM task WHERE no = {number}", "--json").stdout)
    assert row == {"text": "both"}


def test_reset_keeps_what_was_not_sent_unless_told(device: Path, address: str, number: str, syncline: Syncline) -> None:
    syncline("set", device, "list", f"l{number}", "--create")
    refused = syncline("reset", device)
    assert refused.status == 1
    assert "--discard-unsent" in refused.stderr
    assert syncline("reset", device, "--discard-unsent").status == 0
    assert _pending(syncline, device) == []
    assert syncline("sync", device, "--server", address).status == 0


def test_reconcile_says_what_it_compared(device: Path, address: str, syncline: Syncline) -> None:
    assert "no difference" in syncline("reconcile", device, "--server", address).stdout
    report = json.loads(syncline("reconcile", device, "--server", address, "--json").stdout)
    assert report["differing"] == 0


def test_a_file_of_the_first_format_has_no_changes(device: Path, syncline: Syncline) -> None:
    with closing(sqlite3.connect(device)) as connection, connection:
        for table in ("syncline_change", "syncline_conflict", "syncline_checkpoint"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    assert "changes     none wait\n" in syncline("status", device).stdout
    assert syncline("pending", device).stdout == "nothing waits\n"
    assert syncline("conflicts", device).stdout == "no conflicts\n"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("set {file} task 1 text=x", 1, "--create makes a new one"),
        ("set {file} task 1", 2, "say what to set"),
        ("set {file} task 1 text=x --delete", 2, "needs no fields"),
        ("set {file} task 1 --create --delete", 2, "not both"),
        ("set {file} task 1 text=x --bucket b", 2, "when it is created"),
        ("set {file} nothing 1 text=x", 2, "there are: list, task"),
        ("set {file} task one text=x", 2, "no must be an integer"),
        ("set {file} task 1 done=5", 2, "done must be true or false"),
        ("set {file} task", 2, "too few words"),
        ("set {missing} task 1 text=x", 1, "there is no device file"),
        ("resend {file} task 1", 1, "`syncline pending` lists what was"),
        ("rollback {file} task 1 more --yes", 2, "too many words"),
        ("rollback {file} --cascade --yes", 2, "everything goes anyway"),
        ("rollback {missing} --yes", 1, "there is no device file"),
        ("reset {missing}", 1, "there is no device file"),
        ("pending {missing}", 1, "there is no device file"),
        ("conflicts {file} --all-devices", 2, "give --server"),
        ("conflicts {file} --key 1", 2, "give --type"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    device: Path, tmp_path: Path, syncline: Syncline, words: str, status: int, message: str
) -> None:
    missing = tmp_path / "missing.db"
    env = {"SYNCLINE_FILE": "", "SYNCLINE_SERVER": "", "COLUMNS": "200"}
    ended = syncline(*words.format(file=device, missing=missing).split(), **env)
    assert ended.status == status
    assert message in " ".join(ended.stderr.split())
    assert not missing.exists()


def test_a_taken_key_and_a_deferred_record_say_which_option_helps(
    device: Path, number: str, syncline: Syncline
) -> None:
    syncline("set", device, "list", f"l{number}", "--create", "--defer")
    assert "leave out --create" in syncline("set", device, "list", f"l{number}", "--create").stderr
    assert "add --defer" in syncline("set", device, "list", f"l{number}", "--delete").stderr
