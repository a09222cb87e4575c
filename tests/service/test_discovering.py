"""DiscoverStreams: what a connected system has."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from syncline.server import limits
from syncline.server.enrollments import discovering
from syncline.storage import Store
from syncline.v1 import app_enrollment_service_pb2 as pb2
from syncline.v1 import schema_pb2
from tests.harness.connectors import installed_connectors
from tests.harness.server import running_app
from tests.service.requesting import RequestCalls, bad_fields, refusal, request_calls

SOURCE = """
from tests.connectors.scripted import Scripted

scripted = Scripted()
"""
NO_ENROLLMENT = "6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
async def calls(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RequestCalls]:
    """Calls to a server with the connector `scripted`, which may open files of the folder `files`."""
    (tmp_path / "files").mkdir()
    monkeypatch.setenv("SYNCLINE_FILE_ROOTS", str(tmp_path / "files"))
    with installed_connectors(tmp_path, SOURCE, {"scripted": "scripted"}):
        async with running_app(store, secret_key=KEY) as app, request_calls(app.address) as calls:
            yield calls


async def discover(calls: RequestCalls, enrollment: pb2.AppEnrollment | str) -> list[pb2.DiscoveredStream]:
    enrollment_id = enrollment if isinstance(enrollment, str) else enrollment.app_enrollment_id
    request = pb2.DiscoverStreamsRequest(app_enrollment_id=enrollment_id)
    return list((await calls.enrollments.DiscoverStreams(request)).streams)


def described(kind: schema_pb2.ObjectType) -> tuple[str, str, dict[str, str], list[str]]:
    fields = {each.name: schema_pb2.FieldType.Name(each.type).removeprefix("FIELD_TYPE_") for each in kind.fields}
    return kind.name, kind.scope, fields, list(kind.primary_key)


async def test_files_are_told_of_with_their_columns(calls: RequestCalls, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "parts.csv").write_text("id,size,_own\n1,5,x\n2,NA,y\n")
    (folder / "bad name.csv").write_text("id\n1\n")
    (folder / "lines.jsonl").write_text('{"no":1,"at":"2013-01-31T05:00:00Z"}\n')
    (folder / "twice.csv").write_text("order,line\n1,1\n1,2\n")
    settings = f'{{"path":"{folder}","nulls":["NA"],"keys":{{"twice":["order","line"]}},"scope":"shop"}}'
    enrollment = await calls.enroll(connector="file", settings=settings)

    bad, lines, parts, twice = await discover(calls, enrollment)

    assert not bad.HasField("object_type")
    assert "the name of an object type is a letter" in bad.note
    assert described(lines.object_type) == ("lines", "shop", {"no": "INTEGER", "at": "TIMESTAMP"}, ["no"])
    assert described(parts.object_type) == ("parts", "shop", {"id": "INTEGER", "size": "INTEGER"}, ["id"])
    assert (parts.rows, parts.selected) == (2, True)
    assert parts.note.startswith("'_own' is left out")
    assert described(twice.object_type) == ("twice", "shop", {"order": "INTEGER", "line": "INTEGER"}, ["order", "line"])


async def test_tables_are_told_of_until_some_are_chosen(calls: RequestCalls, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'files' / 'shop.db'}"
    with closing(sqlite3.connect(tmp_path / "files" / "shop.db")) as database, database:
        database.execute(
            "CREATE TABLE parts (id integer PRIMARY KEY, name varchar(9), price numeric, made date, photo blob, x)"
        )
        database.execute("CREATE TABLE heap (anything text)")
    enrollment = await calls.enroll(connector="sql", settings=f'{{"url":"{url}","tables":{{}}}}')

    heap, parts = await discover(calls, enrollment)

    assert (heap.selected, parts.selected) == (False, False)
    assert "has no primary key" in heap.note
    fields = {"id": "INTEGER", "name": "STRING", "price": "DECIMAL", "made": "DATE", "photo": "STRING", "x": "STRING"}
    assert described(parts.object_type) == ("parts", "main", fields, ["id"])

    table = '{"table":"heap","key":["anything"],"columns":{"anything":"what"}}'
    enrollment.settings = f'{{"url":"{url}","tables":{{"thing":{table},"gone":{{"table":"none","key":["k"]}}}}}}'
    enrollment.ClearField("next_run_time")
    await calls.enrollments.UpdateAppEnrollment(pb2.UpdateAppEnrollmentRequest(app_enrollment=enrollment))
    thing, gone = await discover(calls, enrollment)
    assert described(thing.object_type) == ("thing", "main", {"what": "STRING"}, ["what"])
    assert (thing.selected, gone.note) == (True, "there is no such table")


async def test_who_cannot_be_asked_is_named(calls: RequestCalls) -> None:
    external = await calls.enroll()
    assert await bad_fields(discover(calls, external)) == ["app_enrollment_id"]
    assert await refusal(discover(calls, NO_ENROLLMENT)) == ("NOT_FOUND", "ENROLLMENT_NOT_FOUND")


async def test_a_failure_comes_back_without_secrets(calls: RequestCalls) -> None:
    secrets = {"password": "hunter2!"}
    says_no = await calls.enroll("a", connector="scripted", settings='{"fail_after":0}', secrets=secrets)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await discover(calls, says_no)
    assert failed.value.details() == "the system said no to ***"
    assert await refusal(discover(calls, says_no)) == ("FAILED_PRECONDITION", "CONNECTOR_FAILED")
    breaks = await calls.enroll("b", connector="scripted", settings='{"fail_after":0,"fail_with":"hunter2! is wrong"}')
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await discover(calls, breaks)
    assert failed.value.details() == "ZeroDivisionError: hunter2! is wrong"


async def test_a_system_that_says_nothing_is_left(calls: RequestCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovering, "DISCOVER_SECONDS_MAX", 0.05)
    hangs = await calls.enroll("a", connector="scripted", settings='{"hang_after":0}')
    found = await calls.enroll("b", connector="scripted", settings='{"has":{"thing":{"size":"number"}}}')
    for _ in range(limits.DISCOVERIES_MAX + 1):  # a look that was left makes room for another
        assert await refusal(discover(calls, hangs)) == ("FAILED_PRECONDITION", "CONNECTOR_FAILED")
    monkeypatch.undo()
    (stream,) = await discover(calls, found)
    assert described(stream.object_type) == ("thing", "main", {"id": "STRING", "size": "NUMBER"}, ["id"])


async def test_only_so_many_look_at_a_time(calls: RequestCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovering, "DISCOVERIES_MAX", 1)
    monkeypatch.setattr(discovering, "DISCOVER_SECONDS_MAX", 1.0)
    hangs = await calls.enroll(connector="scripted", settings='{"hang_after":0}')
    ended = await asyncio.gather(*(refusal(discover(calls, hangs)) for _ in range(2)))
    assert sorted(reason for _, reason in ended) == ["CONNECTOR_FAILED", "LIMIT_REACHED"]
