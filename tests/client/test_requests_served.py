"""Both clients of sync requests against a server that does the work; and the README's program."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest

from syncline.client import BatchPlace, EnrollmentChanged, NameTaken, OnMatch, SourceRow, SyncRequestStatus
from tests.client.calling import Call, call_asyncio, call_blocking
from tests.replica.serving import ServedStore, served_store

LOAD_DATA = Path(__file__).parents[2] / "examples/load_data.py"


@pytest.fixture(scope="module")
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        yield server


@pytest.fixture(params=[call_blocking, call_asyncio], ids=["blocking", "asyncio"])
def call(request: pytest.FixtureRequest) -> Call:
    made: Call = request.param
    return made


async def test_rows_come_in_batches_and_are_accounted_for(call: Call, server: ServedStore) -> None:
    ask = partial(call, server.address, "requests")
    parent, key = uuid4(), str(uuid4())
    wrong = {"id": f"{key} wrong", "text": 3}
    rows = [SourceRow("note", {"id": key, "text": "one"}), SourceRow("note", wrong)]
    again = [SourceRow("note", {"id": key, "text": "two"}, source_key="other", on_match=OnMatch.SKIP)]
    first = await ask("import_records", rows, batch=BatchPlace(parent, 1, 2))
    await ask("wait", first.sync_request_id, timeout_s=60)
    await ask("import_records", again, batch=BatchPlace(parent, 2, 2))

    ended = await ask("wait", parent, timeout_s=60)
    assert ended.status is SyncRequestStatus.SUCCESS
    assert (ended.total_batches, ended.progress.inserted, ended.progress.skipped) == (2, 1, 1)
    batches = await ask("list", f"parentSyncRequestId = '{parent}'", page_size=1)
    assert sorted(batch.current_batch for batch in batches) == [1, 2]
    details = await ask("details", first.sync_request_id)
    assert [(each.object_type, each.field) for each in details] == [("note", "text")]
    got = await ask("get", parent, details=True)
    assert got.details.object_types["note"].inserted == 1
    assert set(got.details.batch_sync_request_ids) == {batch.sync_request_id for batch in batches}


async def test_enrollments_are_kept_and_guarded(call: Call, server: ServedStore) -> None:
    ask = partial(call, server.address, "enrollments")
    name = str(uuid4())
    made = await ask("create", name, "external", settings={"deep": {"er": [1, None]}})
    assert await ask("get", made.app_enrollment_id) == made
    assert made.settings == {"deep": {"er": [1, None]}}
    with pytest.raises(NameTaken):
        await ask("create", name, "external")
    changed = await ask("update", made)
    assert changed.modified_at > made.modified_at
    with pytest.raises(EnrollmentChanged):
        await ask("update", made)
    assert "external" in [each.name for each in await ask("connectors")]
    await ask("delete", made.app_enrollment_id)
    assert made.app_enrollment_id not in [each.app_enrollment_id for each in await ask("list")]


def test_the_readme_s_program_loads_a_file(
    server: ServedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ZipFile(tmp_path / "notes.zip", "w") as file:
        file.writestr("note.csv", "id,text\nread,me\n,nobody\n")
    monkeypatch.setattr("sys.argv", ["load_data", server.address, str(tmp_path / "notes.zip")])
    runpy.run_path(str(LOAD_DATA), run_name="__main__")
    told = capsys.readouterr().out
    assert "SUCCESS: 2 rows read" in told
    assert "ERROR line 3 of note: id" in told
