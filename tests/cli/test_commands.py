"""The commands as a user runs them, against a server on a socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.cli.app import app
from tests.cli.conftest import Syncline
from tests.harness.programs import running_program
from tests.replica.serving import ServedStore, delete_notes, number_notes, served_store, write_notes


@pytest.fixture(scope="module")
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        write_notes(server.store, number_notes(25))
        yield server


def test_sync_query_and_status(server: ServedStore, file: Path, syncline: Syncline) -> None:
    synced = syncline("sync", file, "--server", server.address)
    assert (synced.status, synced.stderr) == (0, "")
    assert "note" in synced.stdout
    assert "25 items in" in synced.stdout

    again = syncline("sync", SYNCLINE_SERVER=server.address, SYNCLINE_FILE=str(file))
    assert again.stdout.startswith("nothing new: the file is at revision ")

    shown = syncline("query", file, "SELECT id, text FROM note WHERE id = '00007'")
    assert "00007" in shown.stdout
    assert "text 7" in shown.stdout
    as_json = syncline("query", "--json", "SELECT count(*) AS n, NULL AS gap FROM note", SYNCLINE_FILE=str(file))
    assert json.loads(as_json.stdout) == [{"n": 25, "gap": None}]
    assert syncline("query", file, "SELECT 1 WHERE 0").stdout == "no rows\n"
    twice = syncline("query", file, "SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS a", "--json")
    assert json.loads(twice.stdout) == [{"a": 1, "b": 2, "a:1": 3, "a:2": 4}]

    status = syncline("status", file).stdout
    for part in ("device      ", "account     dev", "checkpoint  revision 25, stored ", "note", "25"):
        assert part in status


def test_what_a_record_says_does_not_steer_the_terminal(server: ServedStore, file: Path, syncline: Syncline) -> None:
    write_notes(server.store, {"escape": "\x1b[31mred [bold]"})
    syncline("sync", file, "--server", server.address)
    shown = syncline("query", file, "SELECT text FROM note WHERE id = 'escape'").stdout
    assert "\x1b" not in shown
    assert r"\x1b[31mred [bold]" in shown
    delete_notes(server.store, "escape")


def test_a_letter_that_the_output_cannot_hold_is_escaped(server: ServedStore, file: Path, syncline: Syncline) -> None:
    syncline("sync", file, "--server", server.address)
    command = [sys.executable, "-m", "syncline.cli", "query", str(file), "SELECT 'größe' AS size"]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True
    )
    assert r"gr\xf6\xdfe" in ended.stdout


def test_watch_prints_changes_until_it_is_interrupted(server: ServedStore, file: Path, syncline: Syncline) -> None:
    command = [sys.executable, "-m", "syncline.cli", "watch", str(file), "--server", server.address]
    with running_program(command) as (watch, output):
        assert "note +" in output.readline()
        server.write({"live": "live"})
        assert "note +1 ~0 -0" in output.readline()
        # Reading is possible all the while; a second user of the file is refused in one line.
        assert "live" in syncline("query", file, "SELECT text FROM note WHERE id = 'live'").stdout
        refused = syncline("sync", file, "--server", server.address)
        assert refused.status == 1
        assert refused.stderr.startswith(f"error: {file} is open in another process")
        watch.send_signal(signal.SIGINT)
        assert watch.wait() == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sync", "{file}", "--server", "127.0.0.1:1"), "is the server running"),
        (("sync", "{file}", "--server", "nonsense"), "target must be host:port"),
        (("sync", "{junk}", "--server", "127.0.0.1:1"), "is no SQLite database"),
        (("sync", "{file}", "--server", "127.0.0.1:1", "--ca-file", "{junk}"), "holds no certificates"),
        (("sync", "{file}", "--server", "127.0.0.1:1", "--scope", "\udcff"), "an argument cannot be sent"),
        (("query", "{file}", "SELECT 1"), "there is no device file"),
        (("query", "{junk}", "SELECT 1"), "is no SQLite database"),
        (("status", "{file}"), "there is no device file"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    file: Path, tmp_path: Path, syncline: Syncline, words: tuple[str, ...], message: str
) -> None:
    junk = tmp_path / "junk"
    junk.write_text("something else" * 100)
    ended = syncline(*(word.format(file=file, junk=junk) for word in words))
    assert ended.status == 1
    assert ended.stderr.startswith("error: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_bad_usage_says_what_is_missing(syncline: Syncline) -> None:
    missing = syncline("sync", "device.db", SYNCLINE_SERVER="")
    assert missing.status == 2
    assert "--server" in missing.stderr
    assert syncline("query", "SELECT 1", SYNCLINE_FILE="").status == 2


@pytest.mark.parametrize("command", [command.name or "" for command in app.registered_commands])
def test_every_command_explains_itself(command: str, syncline: Syncline) -> None:
    explained = syncline(command, "--help", COLUMNS="200")
    assert explained.status == 0
    assert "FILE" in explained.stdout
