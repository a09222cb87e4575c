"""Uploads and imports that bring their own schema, from the client to a device."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncline.client import (
    EnrollmentClient,
    PayloadInvalid,
    SourceRow,
    SyncRequest,
    SyncRequestClient,
    SyncRequestStatus,
)
from syncline.data.schema import Field, FieldType
from syncline.replica import Replica
from tests.replica.serving import ACCOUNT, ServedStore, served_store


@pytest.fixture
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        yield server


@pytest.fixture
def client(server: ServedStore) -> Iterator[SyncRequestClient]:
    with SyncRequestClient(server.address) as client:
        yield client


@pytest.fixture
def replica(server: ServedStore, tmp_path: Path) -> Iterator[Replica]:
    with Replica.open(tmp_path / "device.db", server.address) as replica:
        yield replica


def zipped(**files: str) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    file.seek(0)
    return file


def ended(client: SyncRequestClient, made: SyncRequest) -> SyncRequest:
    return list(client.watch(made.sync_request_id))[-1]


def upload(client: SyncRequestClient, **files: str) -> SyncRequest:
    done = ended(client, client.upload(zipped(**files), infer_schema=True))
    assert done.status is SyncRequestStatus.SUCCESS, done.result_message
    return done


def reasons(client: SyncRequestClient, request: SyncRequest) -> list[tuple[int, str, str]]:
    return [(one.line, one.field, one.reason) for one in client.details(request.sync_request_id)]


def fields_of(server: ServedStore, name: str) -> tuple[Field, ...]:
    kind = server.store.read_schema(ACCOUNT).object_type(name)
    assert kind is not None
    return kind.fields


def shown(replica: Replica, statement: str) -> list[tuple[Any, ...]]:
    replica.sync()
    return [tuple(row) for row in replica.query(statement)]


def test_a_file_of_an_unknown_type_reaches_a_device(
    server: ServedStore, client: SyncRequestClient, replica: Replica
) -> None:
    replica.sync()
    done = upload(client, parts_csv="name,id,day\nbolt,007,2013-01-31\nnut,8,\n")
    assert done.progress.inserted == 2
    kind = server.store.read_schema(ACCOUNT).object_type("parts")
    assert kind is not None
    assert (kind.scope, kind.primary_key) == ("main", ("id",))
    assert kind.fields == (
        Field("name", FieldType.STRING),
        Field("id", FieldType.STRING, required=True),
        Field("day", FieldType.DATE),
    )
    assert shown(replica, "SELECT id, name, day FROM parts ORDER BY id") == [
        ("007", "bolt", "2013-01-31"),
        ("8", "nut", None),
    ]


def test_a_later_file_widens_what_a_device_has_already(
    server: ServedStore, client: SyncRequestClient, replica: Replica
) -> None:
    upload(client, parts_csv="id,size,flag\n1,5,true\n2,7,false\n")
    assert shown(replica, "SELECT id, size FROM parts ORDER BY id") == [(1, 5), (2, 7)]
    done = upload(client, parts_csv="id,size,color\n2,1.5,red\n3,2,\n")
    assert done.progress.failed == 0
    assert fields_of(server, "parts") == (
        Field("id", FieldType.INTEGER, required=True),
        Field("size", FieldType.NUMBER),
        Field("flag", FieldType.BOOLEAN),
        Field("color", FieldType.STRING),
    )
    rows = shown(replica, "SELECT id, size, color FROM parts ORDER BY id")
    assert rows == [(1, 5.0, None), (2, 1.5, "red"), (3, 2.0, None)]
    assert {type(size) for _, size, _ in rows} == {float}
    with replica.transaction():
        replica.objects("parts").update_by_pk(1, {"size": 0.25})
    replica.sync()
    assert shown(replica, "SELECT size FROM parts WHERE id = 1") == [(0.25,)]


def test_what_cannot_be_widened_is_a_detail(server: ServedStore, client: SyncRequestClient) -> None:
    upload(client, parts_csv="id,size\n1,5\n")
    done = upload(client, parts_csv="id,size\n1,6\n2,many\n3,1.5\n")
    assert (done.progress.updated, done.progress.failed) == (1, 2)
    found = reasons(client, done)
    assert [(line, field) for line, field, _ in found] == [(3, "size"), (4, "size")]
    assert all("must be an integer" in reason for _, _, reason in found)
    assert fields_of(server, "parts")[1] == Field("size", FieldType.INTEGER)


def test_a_file_without_a_usable_key_fails_and_says_why(server: ServedStore, client: SyncRequestClient) -> None:
    made = client.upload(zipped(parts_csv="size,color\n5,red\n5,blue\n"), infer_schema=True)
    done = ended(client, made)
    assert done.status is SyncRequestStatus.FAILED
    assert "parts.csv:3: the column 'size' cannot be the key" in done.result_message
    assert server.store.read_schema(ACCOUNT).object_type("parts") is None


def test_without_being_asked_nothing_is_inferred(client: SyncRequestClient) -> None:
    with pytest.raises(PayloadInvalid, match="there is no object type 'parts'"):
        client.upload(zipped(parts_csv="id\n1\n"))
    with pytest.raises(PayloadInvalid, match="has no field 'color'"):
        client.upload(zipped(note_csv="id,color\n1,red\n"))


def test_an_enrollment_infers_from_what_is_uploaded_to_it(server: ServedStore, client: SyncRequestClient) -> None:
    with EnrollmentClient(server.address) as enrollments:
        made = enrollments.create("files", "file", settings={"schema": "inferred", "scope": "found"})
    request = client.upload(zipped(parts_csv="id\n1\n"), enrollment_id=made.app_enrollment_id)
    assert ended(client, request).progress.inserted == 1
    kind = server.store.read_schema(ACCOUNT).object_type("parts")
    assert kind is not None
    assert kind.scope == "found"


def test_rows_that_come_with_a_call_bring_their_schema(server: ServedStore, client: SyncRequestClient) -> None:
    rows = [
        SourceRow("parts", {"id": 1, "tags": ["a"], "size": None}),
        SourceRow("parts", {"id": 2, "size": 2}),
        SourceRow("events", {"what": "begun"}, source_key="e1"),
        SourceRow("no name", {"id": 1}),
        SourceRow("note", {"id": "n", "text": "x", "extra": True}),
    ]
    done = ended(client, client.import_records(rows, infer_schema=True))
    assert (done.progress.inserted, done.progress.failed) == (4, 1)
    assert fields_of(server, "parts") == (
        Field("id", FieldType.INTEGER, required=True),
        Field("tags", FieldType.JSON),
        Field("size", FieldType.INTEGER),
    )
    events = server.store.read_schema(ACCOUNT).object_type("events")
    assert events is not None
    assert events.primary_key == ()
    assert fields_of(server, "note")[-1] == Field("extra", FieldType.BOOLEAN)
    assert server.store.scan_records(ACCOUNT, "events", after_key=None, limit=9)[0].key == "e1"
    request = client.import_records([SourceRow("others", {"id": 1})])
    assert ended(client, request).progress.failed == 1


def test_a_watch_goes_on_while_the_schema_widens(client: SyncRequestClient, replica: Replica) -> None:
    upload(client, parts_csv="id,size\n1,5\n")
    watching = replica.watch()
    next(watching)
    assert [tuple(row) for row in replica.query("SELECT id, size FROM parts")] == [(1, 5)]
    upload(client, parts_csv="id,size,color\n1,5.5,red\n")
    report = next(watching)
    assert report.total.updated == 1
    # New fields show with the next session; values of those that are known show at once.
    (row,) = replica.query("SELECT size FROM parts")
    assert row[0] == 5.5
    watching.close()
    assert shown(replica, "SELECT size, color FROM parts") == [(5.5, "red")]
