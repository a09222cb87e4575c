"""`syncline requests` and `syncline enrollments` as a user runs them, against a server that does the work."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pytest
import typer

from syncline.cli import enrollments, requests
from syncline.storage import open_store
from syncline.storage.sql import migrate
from tests.cli.conftest import Syncline
from tests.harness.secrets import secret
from tests.harness.server import declare_notes, start_server

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the server may read."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[str]:
    """A process of its own: a server's log must not come between what commands print."""
    url = f"sqlite:///{tmp_path_factory.mktemp('server') / 'store.db'}"
    migrate(url)
    with closing(open_store(url)) as store:
        declare_notes(store)
    key = secret(base64.b64encode(os.urandom(32)).decode())
    with start_server(url, secret_key=key, poll_seconds=0.05, file_roots=files) as server:
        yield server.address


@pytest.fixture(autouse=True)
def address(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_SERVER", server)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Two rows that fit, and one that does not."""
    path = tmp_path / "notes.zip"
    with ZipFile(path, "w") as file:
        file.writestr("note.jsonl", '{"id":"a","text":"one"}\n{"id":"b","text":"two"}\n{"id":"c","text":3}\n')
    return path


def ids(text: str) -> list[str]:
    return re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text)


def test_a_file_is_imported_and_its_rows_accounted_for(notes: Path, syncline: Syncline) -> None:
    done = syncline("requests", "import", notes)
    assert (done.status, done.stderr) == (0, ""), done.stdout
    assert "status      success" in done.stdout
    assert "rows        3 read, 2 inserted, 1 failed" in done.stdout
    request_id = ids(done.stdout)[0]
    assert f"did not simply go through: syncline requests details {request_id}" in done.stdout

    details = syncline("requests", "details", request_id)
    assert "note" in details.stdout
    assert "text" in details.stdout
    (row,) = map(json.loads, syncline("requests", "details", request_id, "--json").stdout.splitlines())
    assert (row["severity"], row["object_type"], row["line"], row["field"]) == ("error", "note", 3, "text")

    shown = json.loads(syncline("requests", "show", request_id, "--json").stdout)
    assert shown["details"]["object_types"]["note"]["inserted"] == 2
    assert shown["created_at"].endswith("+00:00")
    assert request_id in syncline("requests", "show", request_id).stdout


def test_watching_prints_one_object_a_line_the_last_with_what_came_of_it(notes: Path, syncline: Syncline) -> None:
    made = json.loads(syncline("requests", "import", notes, "--no-wait", "--json").stdout)
    watched = syncline("requests", "watch", made["sync_request_id"], "--json")
    *_, last = map(json.loads, watched.stdout.splitlines())
    assert (watched.status, last["status"], last["details"]["detail_count"]) == (0, "success", 1)


def test_the_status_is_1_if_a_request_does_not_succeed(syncline: Syncline) -> None:
    syncline("enrollments", "create", "waits", "--connector", "external")
    made = json.loads(syncline("requests", "create", "waits", "--full", "--json").stdout)
    request_id = made["sync_request_id"]
    assert made["run_full_sync"]
    busy = syncline("enrollments", "remove", "waits")
    assert busy.status == 1
    assert "syncline requests list" in busy.stderr

    cancelled = syncline("requests", "cancel", request_id)
    assert cancelled.stdout.startswith(f"{request_id} cancelled")
    watched = syncline("requests", "watch", request_id)
    assert watched.status == 1
    assert "status      cancelled" in watched.stdout

    again = json.loads(syncline("requests", "retry", request_id, "--json").stdout)
    assert again["retry_of"] == request_id
    listed = syncline("requests", "list", "--filter", "status = CANCELLED", "--json").stdout.splitlines()
    assert [json.loads(line)["sync_request_id"] for line in listed] == [request_id]
    assert again["sync_request_id"] in syncline("requests", "list").stdout
    assert syncline("requests", "list", "--filter", "failureCount > 90").stdout == "no requests\n"
    syncline("requests", "cancel", again["sync_request_id"])
    assert "last run    cancelled 20" in syncline("enrollments", "show", "waits").stdout
    enrollments_told = map(json.loads, syncline("enrollments", "list", "--json").stdout.splitlines())
    (waits,) = (each for each in enrollments_told if each["name"] == "waits")
    assert waits["last_sync_request"]["sync_request_id"] == again["sync_request_id"]
    assert waits["last_successful_sync_request"] is None
    assert syncline("enrollments", "remove", "waits").stdout == "waits is disconnected\n"


def test_an_enrollment_is_made_shown_and_changed(
    syncline: Syncline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    (tmp_path / "settings.json").write_text('{"host":"h","port":1}')
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "typed")
    made = syncline(
        *("enrollments", "create", "books", "--connector", "external", "--settings", f"@{tmp_path / 'settings.json'}"),
        *("--set", "port:=2", "--set", "path=/x=y"),
        *("--secret-file", f"key={tmp_path / 'key'}", "--secret-env", "other=OTHER", "--secret-prompt", "third"),
        OTHER="from the environment",
    )
    assert (made.status, made.stderr) == (0, "")
    shown = json.loads(syncline("enrollments", "show", "books", "--json").stdout)
    assert shown["settings"] == {"host": "h", "port": 2, "path": "/x=y"}
    assert sorted(shown["secret_names"]) == ["key", "other", "third"]
    for word in ("hunter2", "from the environment", "typed"):
        assert word not in made.stdout + json.dumps(shown)

    changed = syncline(
        *("enrollments", "update", shown["app_enrollment_id"], "--name", "ledger", "--set", "host=new", "--disable"),
        *("--unset", "path", "--remove-secret", "key", "--json"),
    )
    now = json.loads(changed.stdout)
    assert (now["name"], now["settings"], now["disabled"]) == ("ledger", {"host": "new", "port": 2}, True)
    assert sorted(now["secret_names"]) == ["other", "third"]
    assert "ledger" in syncline("enrollments", "list").stdout
    assert "last run" not in syncline("enrollments", "show", "ledger").stdout
    assert json.loads(syncline("enrollments", "list", "--json").stdout)["name"] == "ledger"
    assert "external" in syncline("enrollments", "connectors").stdout


def test_what_a_system_has_is_listed_and_inferred(syncline: Syncline, tmp_path: Path, files: Path) -> None:
    (files / "parts.csv").write_text("id,size\n1,5\n2,7\n")
    made = syncline("enrollments", "create", "drop", "--connector", "file", "--set", f"path={files}")
    assert made.status == 0, made.stderr
    listed = syncline("enrollments", "discover", "drop").stdout
    assert "id* integer, size integer" in listed
    (stream,) = map(json.loads, syncline("enrollments", "discover", "drop", "--json").stdout.splitlines())
    assert (stream["object_type"]["primary_key"], stream["rows"], stream["selected"]) == (["id"], 2, True)
    with ZipFile(tmp_path / "parts.zip", "w") as file:
        file.writestr("parts.csv", "id,size\n1,5\n")
    loaded = syncline("requests", "import", tmp_path / "parts.zip", "--infer-schema", "--json")
    assert json.loads(loaded.stdout.splitlines()[-1])["progress"]["inserted"] == 1
    assert syncline("enrollments", "discover", "nobody").status == 1


def test_a_schedule_is_set_shown_changed_and_removed(syncline: Syncline) -> None:
    made = syncline(
        *("enrollments", "create", "nightly", "--connector", "external", "--schedule", "0 3 29 2 *"),
        *("--time-zone", "Europe/Berlin", "--jitter", "300", "--full"),
    )
    assert "schedule    0 3 29 2 * Europe/Berlin +300 s read full" in made.stdout
    assert "next run" in made.stdout
    changed = syncline(
        *("enrollments", "update", "nightly", "--jitter", "0", "--delta", "--operation", "check"),
    )
    assert "schedule    0 3 29 2 * Europe/Berlin check" in changed.stdout
    assert "0 3 29 2 * Europe/Berlin check" in syncline("enrollments", "list", COLUMNS="300").stdout
    kept = json.loads(syncline("enrollments", "update", "nightly", "--set", "a=b", "--json").stdout)
    assert kept["schedule"]["cron"] == "0 3 29 2 *"
    assert kept["next_run_at"]
    refused = syncline("enrollments", "update", "nightly", "--schedule", "0 3 30 2 *")
    assert refused.status == 1
    assert "day-of-month is wrong: '30'" in refused.stderr
    without = json.loads(syncline("enrollments", "update", "nightly", "--no-schedule", "--json").stdout)
    assert (without["schedule"], without["next_run_at"]) == (None, None)
    syncline("enrollments", "remove", "nightly")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("requests", "show", NOBODY), 1, "`syncline requests list` shows them"),
        (("requests", "show", "nonsense"), 2, "should be a valid UUID"),
        (("requests", "create", "nobody"), 1, "`syncline enrollments list` shows them"),
        (("requests", "create", NOBODY, "--operation", "dance"), 2, "is none of read, write, check"),
        (("requests", "list", "--filter", "status ="), 1, "error: "),
        (("requests", "import", "nothing.zip"), 2, "does not exist"),
        (("enrollments", "create", "x", "--connector", "nothing"), 1, "`syncline enrollments connectors` shows"),
        (("enrollments", "create", "x", "--connector", "external", "--settings", "[1]"), 2, "one JSON object"),
        (("enrollments", "create", "x", "--connector", "external", "--settings", "{"), 2, "no JSON"),
        (("enrollments", "create", "x", "--connector", "external", "--full"), 2, "there is no schedule"),
        (
            (
                "enrollments",
                "create",
                "x",
                "--connector",
                "external",
                "--schedule",
                "* * * * *",
                "--operation",
                "dance",
            ),
            2,
            "is none of read, write, check",
        ),
        (("enrollments", "create", "x", "--connector", "external", "--secret-env", "k=NO_SUCH"), 2, "NO_SUCH"),
        (("enrollments", "create", "x", "--connector", "external", "--secret-file", "k=nothing"), 2, "cannot read"),
    ],
)
def test_errors_say_what_to_do(syncline: Syncline, words: tuple[str, ...], status: int, message: str) -> None:
    ended = syncline(*words, COLUMNS="300")
    assert ended.status == status
    assert message in ended.stderr


def test_a_secret_on_the_command_line_is_not_repeated(syncline: Syncline) -> None:
    ended = syncline("enrollments", "create", "x", "--connector", "external", "--secret-file", "hunter2")
    assert ended.status == 2
    assert "hunter2" not in ended.stderr


COMMANDS = [
    *(("requests", name) for name in ("create", "import", "list", "show", "watch", "cancel", "retry", "details")),
    *(("enrollments", name) for name in ("create", "list", "show", "update", "remove", "discover", "connectors")),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, str], syncline: Syncline) -> None:
    explained = syncline(*words, "--help", COLUMNS="200")
    assert explained.status == 0
    assert "--server" in explained.stdout
    assert "--json" in explained.stdout


def test_the_commands_are_those_that_are_tested() -> None:
    app = typer.Typer()
    requests.register(app)
    enrollments.register(app)
    registered = [group.typer_instance for group in app.registered_groups if group.typer_instance is not None]
    named = [command.name for group in registered for command in group.registered_commands]
    assert named == [name for _, name in COMMANDS]
