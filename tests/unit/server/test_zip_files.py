"""What an uploaded zip file must be."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.errors import PayloadInvalid
from syncline.server.importing.limits import ARCHIVE_ENTRIES_MAX
from syncline.server.requests import zip_files
from syncline.server.requests.zip_files import WHOLE_FILE, check_zip

ID = Field("id", FieldType.STRING, required=True)
NOTE = ObjectType("note", "main", (ID, Field("text", FieldType.STRING)), primary_key=("id",))
LINE = ObjectType("note.line", "main", (ID, Field("count", FieldType.INTEGER)), primary_key=("id",))
KEYLESS = ObjectType("scrap", "main", (Field("text", FieldType.STRING),))
SCHEMA = Schema(1, (NOTE, LINE, KEYLESS))


def made_zip(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return file.getvalue()


def faults_of(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(PayloadInvalid) as caught:
        check_zip(io.BytesIO(data), len(data), SCHEMA)
    return list(caught.value.faults)


def test_one_file_for_each_object_type_is_taken() -> None:
    entries = {
        "note.CSV": b"\xef\xbb\xbftext,id\r\n",
        "note.line.ndjson": b"",
        "__MACOSX/._note.csv": b"",
        ".DS_Store": b"",
    }
    data = made_zip(entries)
    check_zip(io.BytesIO(data), len(data), SCHEMA)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../note.csv", "'..'"),
        ("/note.csv", "absolute"),
        ("C:note.csv", "absolute"),
        ("x\\note.csv", "backslash"),
        ("__MACOSX/../../note.csv", "'..'"),
        ("x/note.csv", "top of the zip file"),
        ("note/", "top of the zip file"),
        ("note.zip", "inside a zip file"),
        ("note.txt", "must be named for its object type"),
        ("note", "must be named for its object type"),
        ("notes.csv", "no object type 'notes'; did you mean 'note'?"),
        ("scrap.csv", "no primary key"),
    ],
)
def test_names_are_checked(name: str, reason: str) -> None:
    ((field, what),) = faults_of(made_zip({name: b"id,text\n"}))
    assert field == name
    assert reason in what


def test_a_nul_in_a_name_is_refused() -> None:
    data = made_zip({"note_.csv": b"id\n"}).replace(b"note_.csv", b"note\0.csv")
    assert faults_of(data) == [("note\0.csv", "the name must not contain NUL")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no line with the names"),
        (b"id,id\n", "two columns are named 'id'"),
        (b"id,\xff\n", "not UTF-8"),
        (made_zip({"note.csv": b""}), "is an archive"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "is an archive"),
        (b"0" * 2_000_000, "times larger"),
    ],
)
def test_contents_are_checked(content: bytes, reason: str) -> None:
    # With much that does not shrink beside it: as a whole the file is no bomb.
    data = made_zip({"note.csv": content, "note.line.jsonl": Random(1).randbytes(20_000)})
    ((field, what),) = faults_of(data)
    assert field == "note.csv"
    assert reason in what


def test_columns_are_held_to_the_schema() -> None:
    assert faults_of(made_zip({"note.csv": b"Id,txt\n", "note.line.csv": b"id\n"})) == [
        ("note.csv", "the object type 'note' has no field 'Id'; did you mean 'id'?"),
        ("note.csv", "the object type 'note' has no field 'txt'; did you mean 'text'?"),
        ("note.csv", "the key column 'id' is missing"),
        ("note.csv", "expected were columns of id, text; found were Id, txt"),
    ]


def test_two_files_of_one_object_type_are_refused() -> None:
    ((field, what),) = faults_of(made_zip({"note.csv": b"id\n", "note.jsonl": b""}))
    assert (field, what) == ("note.jsonl", "holds 'note', as 'note.csv' does; one file for each object type")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no zip file"),
        (b"id,text\n1,x\n", "no zip file"),
        (made_zip({}), "no files in it"),
        (made_zip({".hidden": b""}), "no files in it"),
        (made_zip({f"{number}.csv": b"" for number in range(ARCHIVE_ENTRIES_MAX + 1)}), "at most 1,000"),
        (made_zip({f"{number}.csv": b"0" * 1_000_000 for number in range(5)}), "200 times its size"),
        (made_zip({"note.csv": b"id\n"})[:-30], "no zip file"),
    ],
)
def test_the_file_as_a_whole_is_checked(data: bytes, reason: str) -> None:
    ((field, what),) = faults_of(data)
    assert field == WHOLE_FILE
    assert reason in what


def test_what_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_files, "UNPACKED_BYTES_MAX", 10)
    ((_, what),) = faults_of(made_zip({"note.csv": b"id,text\n1,x\n"}))
    assert what == "unpacks to 12 bytes; at most 10 are taken"


def test_a_table_of_contents_of_any_size_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_files, "DIRECTORY_BYTES_MAX", 100_000)
    ((_, what),) = faults_of(made_zip({f"{number:0200}.csv": b"" for number in range(500)}))
    assert "table of contents has more than 100,000 bytes" in what


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (8, b"\x01", "is encrypted"),
        (10, b"\x0c\x00", "another method than deflate"),
        (24, b"\xff\xff\xff\x00", "times"),
    ],
)
def test_what_the_table_of_contents_says_is_checked(offset: int, value: bytes, reason: str) -> None:
    data = bytearray(made_zip({"note.csv": b"id\n"}))
    begins = data.index(b"PK\x01\x02") + offset
    data[begins : begins + len(value)] = value
    assert any(reason in what for _, what in faults_of(bytes(data)))


SOUND = made_zip({"note.csv": b"id,text\n1,x\n", "note.line.jsonl": b'{"id":"1"}\n'})


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(SOUND)))
@example([], len(SOUND))
def test_a_mangled_file_is_taken_or_refused_never_more(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(SOUND)
    for place, value in changes:
        data[place] = value
    with suppress(PayloadInvalid):
        check_zip(io.BytesIO(data[:length]), length, SCHEMA)
