"""Zip files as sources."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from syncline.server.importing.archives import open_sources
from syncline.server.importing.errors import SourceError
from syncline.server.importing.limits import ARCHIVE_ENTRIES_MAX
from syncline.server.importing.sources import Row


def _zip(folder: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "rows.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_each_file_in_a_zip_file_is_a_source(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"x/a.csv": b"a\n1\n", "b.jsonl": b'{"a":2}\n', "__MACOSX/._a.csv": b"", ".hidden": b""})
    sources = open_sources(path)
    assert [source.name for source in sources] == [f"{path}/x/a.csv", f"{path}/b.jsonl"]
    assert [list(source.read()) for source in sources] == [[Row(2, {"a": "1"})], [Row(1, {"a": 2})]]
    assert list(sources[0].read()) == [Row(2, {"a": "1"})]
    assert sources[0].size_bytes == 4


def test_another_file_is_its_own_source(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n1\n")
    assert [source.name for source in open_sources(path)] == [str(path)]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "no files in it"),
        ({"a.csv": b"", "read.me": b""}, "ends in .csv"),
        ({"a.csv": b"", "more.zip": b""}, "zip file inside a zip file"),
        ({"a.csv": b"0" * 2_000_000}, "times larger than its compressed form"),
        ({f"{number}.csv": b"" for number in range(ARCHIVE_ENTRIES_MAX + 1)}, "at most 1,000"),
    ],
)
def test_what_could_hurt_is_refused(tmp_path: Path, entries: dict[str, bytes], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        open_sources(_zip(tmp_path, entries))


def test_other_compressions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="another method than deflate"):
        open_sources(_zip(tmp_path, {"a.csv": b"a\n"}, zipfile.ZIP_BZIP2))


def test_an_entry_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.csv": b"a\n"})
    _patch_directory(path, offset=24, value=(2**32 - 2).to_bytes(4, "little"))
    with pytest.raises(SourceError, match="times larger"):
        open_sources(path)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.csv": b"a\n"})
    _patch_directory(path, offset=8, value=b"\x01")
    with pytest.raises(SourceError, match="is encrypted"):
        open_sources(path)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.csv": b"a\n", "b.csv": b"b\n"})
    path.write_bytes(path.read_bytes().replace(b"b.csv", b"a.csv"))
    with pytest.raises(SourceError, match="stands twice"):
        open_sources(path)


def test_a_damaged_zip_file_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path, {"a.csv": b"a\n" + b"123456789\n" * 50})
    data = bytearray(path.read_bytes())
    data[45:50] = b"\xff" * 5
    path.write_bytes(data)
    (source,) = open_sources(path)
    with pytest.raises(SourceError, match="is damaged"):
        list(source.read())
    path.write_bytes(b"PK no zip")
    with pytest.raises(SourceError, match="is no zip file"):
        open_sources(path)
    with pytest.raises(SourceError, match="No such file"):
        open_sources(tmp_path / "other.zip")


def _patch_directory(path: Path, *, offset: int, value: bytes) -> None:
    """Change a field of the first entry in the central directory."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + offset
    data[start : start + len(value)] = value
    path.write_bytes(data)
