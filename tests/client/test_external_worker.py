"""`examples/external_worker.py` against a server: rows come in batches, go on where they stopped, and errors end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.external_worker import main
from syncline.client import EnrollmentClient, SyncRequestClient, SyncRequestStatus
from tests.replica.serving import ServedStore, served_store


@pytest.fixture(scope="module")
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notes.jsonl"


def enroll(server: ServedStore, name: str, **settings: Any) -> str:
    with EnrollmentClient(server.address) as client:
        return client.create(name, "external", settings=settings).app_enrollment_id


def lines(numbers: range) -> str:
    return "".join(f'{{"id":"{number:05}","text":"text {number}"}}\n' for number in numbers)


def test_a_worker_outside_loads_a_file_and_later_only_what_is_new(server: ServedStore, file: Path) -> None:
    file.write_text(lines(range(2_500)) + '{"id":1}\n')
    enrollment_id = enroll(server, "notes", file=str(file), object_type="note")
    with SyncRequestClient(server.address) as client:
        first = client.create(enrollment_id)
        main(server.address)
        ended = client.get(first.sync_request_id, details=True)
        assert (ended.status, ended.progress.inserted) == (SyncRequestStatus.SUCCESS, 2_500)
        assert (ended.progress.failed, ended.modified_by) == (1, "example")
        (bad,) = client.details(first.sync_request_id)
        assert (bad.object_type, bad.field) == ("note", "id")

        with file.open("a") as more:
            more.write(lines(range(2_500, 2_510)))
        second = client.create(enrollment_id)
        main(server.address)
        ended = client.get(second.sync_request_id)
        assert (ended.status, ended.progress.read, ended.progress.inserted) == (SyncRequestStatus.SUCCESS, 10, 10)


def test_a_worker_outside_says_why_it_cannot(server: ServedStore, file: Path) -> None:
    enrollment_id = enroll(server, "nothing", file=str(file), object_type="note")
    with SyncRequestClient(server.address) as client:
        made = client.create(enrollment_id)
        main(server.address)
        ended = client.get(made.sync_request_id)
        assert ended.status is SyncRequestStatus.FAILED
        assert "FileNotFoundError" in ended.result_message
