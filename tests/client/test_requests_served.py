"""Both clients of sync requests against a server that does the work; and the README's program."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4
from zipfile import ZipFile

import pytest

from syncline.client import (
    BatchPlace,
    ConnectorFailed,
    DiscoveredStream,
    EnrollmentChanged,
    NameTaken,
    OnMatch,
    Schedule,
    SourceRow,
    SyncOperation,
    SyncRequestStatus,
)
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.replica import Replica
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


async def test_a_schedule_is_kept_until_it_is_changed(call: Call, server: ServedStore) -> None:
    ask = partial(call, server.address, "enrollments")
    schedule = Schedule("0 3 29 2 *", "Europe/Berlin", 300, SyncOperation.CHECK, run_full_sync=True)
    made = await ask("create", str(uuid4()), "external", schedule=schedule)
    assert made.schedule == schedule
    assert (made.next_run_at.month, made.next_run_at.day, made.next_run_at.hour) == (2, 29, 2)
    assert await ask("get", made.app_enrollment_id) == made
    renamed = await ask("update", replace(made, name=str(uuid4())))
    assert (renamed.schedule, renamed.next_run_at) == (schedule, made.next_run_at)
    without = await ask("update", replace(renamed, schedule=None))
    assert (without.schedule, without.next_run_at) == (None, None)


async def test_what_a_system_has_is_told_and_inferred(
    call: Call, server: ServedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_FILE_ROOTS", str(tmp_path))
    (tmp_path / "found.csv").write_text("id,size\n1,5\n")
    made = await call(server.address, "enrollments", "create", str(uuid4()), "file", settings={"path": str(tmp_path)})
    (stream,) = await call(server.address, "enrollments", "discover", made.app_enrollment_id)
    kind = ObjectType(
        "found",
        "main",
        (Field("id", FieldType.INTEGER, required=True), Field("size", FieldType.INTEGER)),
        ("id",),
    )
    assert stream == DiscoveredStream(str(tmp_path / "found.csv"), kind, selected=True, rows=1, note="")
    (tmp_path / "found.csv").unlink()
    with pytest.raises(ConnectorFailed, match="no files of rows"):
        await call(server.address, "enrollments", "discover", made.app_enrollment_id)
    ask = partial(call, server.address, "requests")
    with ZipFile(tmp_path / "found.zip", "w") as file:
        file.writestr("found.csv", f"id,size\n{uuid4().int % 10**9},5\n")
    for request in (
        await ask("upload", tmp_path / "found.zip", infer_schema=True),
        await ask("import_records", [SourceRow("told", {"id": str(uuid4())})], infer_schema=True),
    ):
        assert (await ask("wait", request.sync_request_id, timeout_s=60)).progress.inserted == 1


async def test_g11_a_full_upload_in_batches_deletes_on_the_device_what_none_had(
    call: Call, server: ServedStore, tmp_path: Path
) -> None:
    """What is uploaded for an enrollment that workers outside serve is loaded, and swept, by the server's own."""
    ask = partial(call, server.address, "requests")
    enrollment = await call(server.address, "enrollments", "create", str(uuid4()), "external")
    keys = [f"{uuid4()}" for _ in range(5)]

    async def load(parent: UUID, parts: Sequence[Sequence[str]], order: Sequence[int]) -> None:
        for number in order:
            path = tmp_path / f"{number}.zip"
            with ZipFile(path, "w") as file:
                file.writestr("note.csv", "\n".join(["id,text", *(f"{key},a" for key in parts[number - 1])]))
            place = BatchPlace(parent, number, len(parts))
            await ask("upload", path, enrollment_id=enrollment.app_enrollment_id, full=True, batch=place)

    with Replica.open(tmp_path / "device.db", server.address) as replica:
        first, second = uuid4(), uuid4()
        await load(first, [keys], [1])
        await ask("wait", first, timeout_s=60)
        await asyncio.to_thread(replica.sync)
        await load(second, [keys[:1], keys[1:2], keys[1:3]], [3, 1])
        waiting = await ask("get", second)
        assert (waiting.status, waiting.due_at) == (SyncRequestStatus.READY, None)
        assert held_notes(replica) >= set(keys)
        await load(second, [keys[:1], keys[1:2], keys[1:3]], [2])
        states = [state.status for state in await ask("watch", second)]
        ended = await ask("get", second, details=True)
        await asyncio.to_thread(replica.sync)
        assert held_notes(replica) & set(keys) == set(keys[:3])
    way = [SyncRequestStatus.READY, SyncRequestStatus.CONNECTOR, SyncRequestStatus.IN_PROGRESS]
    assert states == sorted(states, key=[*way, SyncRequestStatus.SUCCESS].index)
    assert (ended.status, ended.result_message) == (SyncRequestStatus.SUCCESS, "4 read: 2 deleted, 4 unchanged")
    assert ended.details.object_types["note"].deleted == 2


def held_notes(replica: Replica) -> set[str]:
    """The notes on the device."""
    return {row["id"] for row in replica.query("SELECT id FROM note")}


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
