"""`syncline why` as a user runs it, against a server on a socket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.cli.why import ago
from syncline.replica import Replica
from syncline.storage.conformance.trace_contexts import in_span
from tests.cli.conftest import Syncline
from tests.replica.serving import ServedStore, delete_notes, served_store, write_notes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        with in_span():
            write_notes(server.store, {"a": "one", "b": "two"})
        yield server


@pytest.fixture(autouse=True)
def address(server: ServedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_SERVER", server.address)


def test_why_a_record_is_or_is_not_on_a_device(server: ServedStore, file: Path, syncline: Syncline) -> None:
    with Replica.open(file, server.address) as replica:
        replica.sync()
        device_uuid = replica.device_uuid

    there = syncline("why", "note", "a", "--device", device_uuid)

    assert (there.status, there.stderr) == (0, "")
    assert there.stdout.startswith("step      ON_DEVICE: the device has the record as it stands now\n")
    assert re.search(r"^revision  1, acknowledged$", there.stdout, re.MULTILINE)
    assert re.search(r"^trace     [0-9a-f]{32} ", there.stdout, re.MULTILINE)
    assert "\nnext" not in there.stdout
    assert "\nknown     the record changed last at revision 1, " in there.stdout
    delete_notes(server.store, "b")
    gone = syncline("why", "note", "b", "--device", device_uuid).stdout
    assert re.search(r"^step      DELETED: .*\ndelete    NEWER_THAN_POSITION: .*\nsince     ", gone)
    assert "\nnext      let the device sync" in gone


def test_what_is_not_there_is_said_with_what_to_do(syncline: Syncline) -> None:
    nobody = syncline("why", "note", "a", "--device", uuid4())
    assert nobody.status == 0
    assert "step      NO_SUCH_DEVICE: " in nobody.stdout
    assert "\nnext      check the UUID" in nobody.stdout
    as_json = json.loads(syncline("why", "nothing", "a", "--device", uuid4(), "--json").stdout)
    assert (as_json["step"], as_json["since"], as_json["revision"]) == ("type_unknown", None, 0)
    assert syncline("why", "note", "a", "--device", "nobody").status == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (0, "just now"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (180, "3 minutes ago"),
        (3_600, "1 hour ago"),
        (200_000, "2 days ago"),
    ],
)
def test_how_long_ago(seconds: int, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text
