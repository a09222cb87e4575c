"""The connector `file`: what it reads, what it refuses, and where it goes on."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.errors import SettingsInvalid
from syncline.server.requests.connectors import file_reading
from syncline.server.requests.connectors.contract import BadRow, ConnectorError, Incoming, IncomingRow, Job
from syncline.server.requests.connectors.file import FileConnector, connector
from syncline.storage.request_models import OnMatch, Operation

FIELDS = (
    Field("id", FieldType.STRING, required=True),
    Field("text", FieldType.STRING),
    Field("count", FieldType.INTEGER),
)
NOTE = ObjectType("note", "main", FIELDS, primary_key=("id",))
SCHEMA = Schema(1, (NOTE, ObjectType("task", "main", FIELDS, primary_key=("id",))))


def made_zip(entries: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


class Reading:
    """Reads below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connector = FileConnector(lambda: [folder])

    def job(self, path: str = "", cursor: str = "", **settings: Any) -> Job:
        settings["path"] = str(self.folder / path)
        return Job(settings, secrets={}, schema=SCHEMA, full=False, cursor=cursor)

    def read(self, path: str = "", cursor: str = "", **settings: Any) -> list[Incoming]:
        return list(self.connector.read(self.job(path, cursor, **settings)))

    def error(self, path: str = "", **settings: Any) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            self.read(path, **settings)
        return caught.value

    def write(self, name: str, data: bytes) -> None:
        """Write a file, a while ago."""
        (self.folder / name).write_bytes(data)
        os.utime(self.folder / name, (1_700_000_000, 1_700_000_000 + len(data)))


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    (tmp_path / "drop").mkdir()
    return Reading(tmp_path / "drop")


def upload(data: bytes, kind: str = "zip", cursor: str = "") -> Job:
    return Job({}, {}, SCHEMA, full=True, cursor=cursor, payload=iter([data[:50], data[50:]]), payload_kind=kind)


def rows_of(batches: list[Incoming]) -> list[IncomingRow]:
    return [row for batch in batches for row in batch.rows]


def keys_of(batches: list[Incoming]) -> list[str]:
    return [row.data["id"] for row in rows_of(batches)]


def test_rows_of_an_upload_come_in_the_order_of_its_files() -> None:
    data = made_zip({"task.csv": b"id,text,count\nb,,2\na,x,\n", "note.jsonl": b'{"id":"n","count":null}\n'})
    for kind, on_match in (("zip", OnMatch.UPDATE), ("zip:skip", OnMatch.SKIP), ("zip:error", OnMatch.ERROR)):
        (batch,) = connector.read(upload(data, kind))
        assert batch.rows == (
            IncomingRow("task", {"id": "b", "count": 2}, on_match=on_match, line=2),
            IncomingRow("task", {"id": "a", "text": "x"}, on_match=on_match, line=3),
            IncomingRow("note", {"id": "n"}, on_match=on_match, line=1),
        )
    assert (batch.bytes_read, batch.estimate) == (24 + 24, 3)


def test_rows_that_cannot_be_taken_are_told_with_line_field_reason_and_value() -> None:
    lines = [b"id,text,count", b"a,x,1", b"a,y,2", b"b,,9223372036854775808", b"c,\xff,", b"d,\0,", b"e", b",x,"]
    data = made_zip({"note.csv": b"\xef\xbb\xbf" + b"\r\n".join([*lines, b"f," + b"x" * 140_000 + b",", b"g,z,3"])})
    (batch,) = connector.read(upload(data))
    assert keys_of([batch]) == ["a", "g"]
    big = "must be an integer within signed 64 bits, not '9223372036854775808'"
    assert batch.bad_rows == (
        BadRow("note", "an earlier line has the same key", line=3, source_key="a", value="a"),
        BadRow("note", big, line=4, field="count", value="9223372036854775808"),
        BadRow("note", "is not UTF-8 at byte 3", line=5),
        BadRow("note", "holds NUL", line=6),
        BadRow("note", "has 1 cells; the first line names 3 columns", line=7),
        BadRow("note", "is required", line=8, field="id"),
        BadRow("note", "is no CSV: field larger than field limit (131072)", line=9),
    )


def test_json_lines_are_held_to_the_schema_too() -> None:
    lines = [b'{"id":"a","count":1e400}', b'{"id":"b","id":"b"}', b'{"id":"c","count":"1"}', b"[]", b'{"id":"d"}']
    (batch,) = connector.read(upload(made_zip({"note.jsonl": b"\n".join(lines)})))
    assert keys_of([batch]) == ["d"]
    assert [(bad.line, bad.field, bad.value) for bad in batch.bad_rows] == [
        (1, "", ""),
        (2, "", ""),
        (3, "count", "1"),
        (4, "", ""),
    ]


def test_a_damaged_upload_fails_for_good() -> None:
    data = bytearray(made_zip({"note.csv": b"id\n" + os.urandom(3_000).hex().encode()}))
    data[100] ^= 0xFF
    with pytest.raises(ConnectorError, match=r"note\.csv:.*damaged") as caught:
        list(connector.read(upload(bytes(data))))
    assert caught.value.for_good
    assert "/" not in str(caught.value)


def test_files_of_a_directory_are_read_by_name(reading: Reading) -> None:
    reading.write("task.tsv", b"id\ttext\nt\ta,b\n")
    reading.write("note.jsonl.gz", gzip.compress(b'{"id":"n"}\n'))
    for name in ("README.md", ".hidden.csv"):
        reading.write(name, b"")
    (batch,) = reading.read(on_match="skip")
    assert batch.rows == (
        IncomingRow("note", {"id": "n"}, on_match=OnMatch.SKIP, line=1),
        IncomingRow("task", {"id": "t", "text": "a,b"}, on_match=OnMatch.SKIP, line=2),
    )
    assert batch.estimate == 2


def test_one_file_may_be_named_otherwise_than_its_type(reading: Reading) -> None:
    reading.write("export.zip", made_zip({"2024/one.csv": b"id,text\na,NA\n", "two.tsv": b"id\nb\n"}))
    (batch,) = reading.read("export.zip", object_type="note", nulls=["NA"])
    assert [row.data for row in batch.rows] == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize("change", ["none", "rewritten"])
def test_a_run_is_resumed_from_any_cursor(reading: Reading, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    monkeypatch.setattr(file_reading, "BATCH_ROWS", 3)
    reading.write("note.csv", b"id,text\n" + b"".join(b'n%d,"x\ny"\n' % number for number in range(5)) + b"n0,\n")
    reading.write("task.csv", b"id\n" + b"".join(b"t%d\n" % number for number in range(4)))
    batches = reading.read()
    assert keys_of(batches) == [f"n{number}" for number in range(5)] + [f"t{number}" for number in range(4)]
    assert [len(batch.rows) + len(batch.bad_rows) for batch in batches] == [3, 3, 3, 1]
    assert sum(batch.bytes_read for batch in batches) == sum(path.stat().st_size for path in reading.folder.iterdir())
    if change == "rewritten":
        reading.write("note.csv", b"id\nn9\n")
    for index, batch in enumerate(batches):
        again = reading.read(cursor=batch.cursor)
        if change == "rewritten":
            assert keys_of(again)[0] == "n9"
        elif index < 3:
            assert again == batches[index + 1 :]
        else:
            assert again == [replace(batches[3], rows=(), bytes_read=0)]


def test_a_delta_takes_all_rows_once_anything_changed(reading: Reading) -> None:
    reading.write("note.csv", b"id\na\n")
    cursor = reading.read()[-1].cursor
    assert keys_of(reading.read(cursor=cursor)) == []
    assert keys_of(reading.read(cursor=cursor, on_match="skip")) == ["a"]
    job = replace(reading.job(cursor=cursor), schema=replace(SCHEMA, version=2))
    assert keys_of(list(reading.connector.read(job))) == ["a"]
    (reading.folder / "note.csv").touch()
    assert keys_of(reading.read(cursor=cursor)) == ["a"]


def test_a_file_that_was_written_just_now_is_read_again(reading: Reading) -> None:
    (reading.folder / "note.csv").write_bytes(b"id\na\n")
    assert keys_of(reading.read(cursor=reading.read()[-1].cursor)) == ["a"]


def test_a_place_in_an_upload_is_no_place_on_the_disk(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reading, "BATCH_ROWS", 1)
    data = b"id\na\nb\n"
    reading.write("note.csv", data)
    first, second, _ = connector.read(upload(made_zip({"note.csv": data})))
    assert keys_of(list(connector.read(upload(made_zip({"note.csv": data}), cursor=first.cursor)))) == ["b"]
    assert keys_of(reading.read(cursor=second.cursor)) == ["a", "b"]


@pytest.mark.parametrize("cursor", ['{"files":1}', "[]", "null", '{"table":{"cursor":5}}', "nonsense"])
def test_a_cursor_of_others_is_the_beginning(reading: Reading, cursor: str) -> None:
    reading.write("note.csv", b"id\na\n")
    assert keys_of(reading.read(cursor=cursor)) == ["a"]


def test_large_rows_make_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reading, "BATCH_BYTES_MAX", 1_000)
    line = b'{"id":"%d","text":"' + b"x" * 600 + b'"}\n'
    batches = list(connector.read(upload(made_zip({"note.jsonl": b"".join(line % number for number in range(5))}))))
    assert [len(batch.rows) for batch in batches] == [2, 2, 1]
    assert [batch.estimate for batch in batches] == [5, 5, 5]


def test_it_ends_when_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reading, "BATCH_ROWS", 2)
    data = made_zip({"note.csv": b"id\na\nb\nc\nd\n"})
    job = Job({}, {}, SCHEMA, full=True, cursor="", payload=iter([data]), payload_kind="zip", stopped=lambda: True)
    assert keys_of(list(connector.read(job))) == ["a", "b"]


def test_what_was_opened_is_closed_with_the_iterator() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    batches = connector.read(upload(made_zip({"note.csv": b"id\n" + b"".join(b"%d\n" % n for n in range(2_500))})))
    next(batches)
    assert len(list(Path("/proc/self/fd").iterdir())) > before
    batches.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_nothing_outside_of_the_allowed_directories_is_read(reading: Reading) -> None:
    outside = reading.folder.parent / "drop-of-others"
    outside.mkdir()
    (outside / "note.csv").write_bytes(b"id\na\n")
    (reading.folder / "task.csv").symlink_to(outside / "note.csv")
    paths = ["../drop-of-others", "../drop-of-others/note.csv", "../missing", "task.csv", "", "x\0"]
    assert {str(reading.error(path)).partition(": '")[0] for path in paths} == {
        "path: lies in none of the directories that the server allows (setting `file_roots`)"
    }
    with pytest.raises(ConnectorError, match="must begin with a slash"):
        reading.connector.check_settings({"path": "note.csv"}, {})
    with pytest.raises(ConnectorError, match="allows no directory"):
        FileConnector(list).check_settings({"path": "/etc/passwd"}, {})


def test_the_directories_come_from_the_environment(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_FILE_ROOTS", f"/nowhere:{reading.folder}")
    reading.write("note.csv", b"id\na\n")
    connector.check_settings({"path": str(reading.folder)}, {})
    assert connector.check(reading.job()) == "1 files, of note"
    monkeypatch.setenv("SYNCLINE_FILE_ROOTS", "drop")
    with pytest.raises(SettingsInvalid, match=r"file_roots: .*each must begin with a slash"):
        connector.check(reading.job())


def test_a_file_that_is_not_there_may_come_later(reading: Reading) -> None:
    error = reading.error("note.csv")
    assert not error.for_good
    assert "No such file" in str(error)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("note.csv", b"id,txt\n", "the object type 'note' has no field 'txt'"),
        ("notes.csv", b"id\n", "no object type 'notes'; did you mean 'note'?"),
        ("note.jsonl.gz", b"{}", "Not a gzipped file"),
        ("note.jsonl.gz", gzip.compress(b"{}")[:-9], "damaged"),
        ("note.zip", b"{}", "no zip file"),
        ("note.csv", b"id\n" + b"x" * 4_000_001, "the line is longer than"),
    ],
)
def test_files_that_cannot_be_read_fail_for_good(reading: Reading, name: str, data: bytes, reason: str) -> None:
    reading.write(name, data)
    error = reading.error()
    assert reason in str(error)
    assert error.for_good


def test_what_is_no_file_is_not_opened(reading: Reading) -> None:
    os.mkfifo(reading.folder / "note.csv")
    assert "is neither a file nor a directory" in str(reading.error())


def test_an_empty_directory_and_two_files_of_one_type_are_refused(reading: Reading) -> None:
    assert "no files of rows" in str(reading.error())
    reading.write("note.csv", b"id\n")
    reading.write("note.jsonl", b"")
    assert "holds 'note', as" in str(reading.error())


@pytest.mark.parametrize(
    ("settings", "secrets", "reason"),
    [
        ({"pfad": "x"}, {}, "pfad: is no setting"),
        ({"path": 1}, {}, "path: must be a text"),
        ({"nulls": "NA"}, {}, "nulls: must be a list"),
        ({"on_match": "maybe"}, {}, "on_match: must be one of update, skip, error"),
        ({}, {"password": "x"}, "takes no secrets"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], secrets: dict[str, str], reason: str) -> None:
    with pytest.raises(ConnectorError, match=reason):
        connector.check_settings(settings, secrets)
    connector.check_settings({}, {})


def test_check_reads_what_there_is(reading: Reading) -> None:
    assert connector.check(Job({}, {}, SCHEMA, full=False, cursor="")) == "no path is set; rows come by upload"
    reading.write("task.csv", b"id,txt\n")
    with pytest.raises(ConnectorError, match="no field 'txt'"):
        reading.connector.check(reading.job())


def test_it_neither_writes_nor_runs_without_a_file() -> None:
    assert connector.operations == {Operation.READ, Operation.CHECK}
    job = Job({}, {}, SCHEMA, full=False, cursor="")
    with pytest.raises(ConnectorError, match="cannot write"):
        connector.write(job, iter(()))
    with pytest.raises(ConnectorError, match="path: is not set"):
        next(connector.read(job))


_MEMORY_PROGRAM = """
import json, resource, sys
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.requests.connectors.contract import Job
from syncline.server.requests.connectors.file import connector
fields = Field("id", FieldType.STRING, required=True), Field("text", FieldType.STRING)
schema = Schema(1, (ObjectType("note", "main", fields, primary_key=("id",)),))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[1], "rb") as file:
    job = Job({}, {}, schema, True, "", payload=iter(lambda: file.read(524288), b""), payload_kind="zip")
    rows = sum(len(batch.rows) for batch in connector.read(job))
print(json.dumps([rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    rows, path = 100_000, tmp_path / "rows.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("note.csv", "w") as file,
    ):
        file.write(b"id,text\n")
        for number in range(rows):
            file.write(b"%032x,%s\n" % (number * 2654435761, bytes([97 + number % 26]) * 500))
    done = subprocess.run([sys.executable, "-c", _MEMORY_PROGRAM, str(path)], capture_output=True, check=True)
    read, grown_kib = json.loads(done.stdout)
    assert read == rows
    # 50 MB of text; a million keys may take 100 MB, these take 10.
    assert grown_kib < 40_000
