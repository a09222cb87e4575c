"""Opening device files: one user at a time, and nothing else taken for one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.client import InvalidOption
from syncline.replica import (
    DeviceMismatch,
    NotAReplica,
    QueryFailed,
    Replica,
    ReplicaDamaged,
    ReplicaError,
    ReplicaLocked,
    ReplicaReader,
    ReplicaVersionMismatch,
    StorageFailed,
)
from tests.replica.building import Bench, page, put, segment

HOLD = """
import sys
from syncline.replica import Replica
Replica.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_the_device_is_made_once_and_kept(path: Path) -> None:
    with Replica.open(path) as replica:
        device = replica.device_uuid
    with Replica.open(path) as replica:
        assert replica.device_uuid == device


def test_a_device_that_is_named_is_kept_and_checked(path: Path) -> None:
    device = uuid4()
    Replica.open(path, device=device).close()
    with Replica.open(path) as replica:
        assert replica.device_uuid == device
    with pytest.raises(DeviceMismatch, match=str(device)):
        Replica.open(path, device=uuid4())


def test_a_second_opener_is_refused_in_the_same_process(path: Path) -> None:
    with Replica.open(path), pytest.raises(ReplicaLocked, match="open in another"):
        Replica.open(path)
    Replica.open(path).close()


def test_a_killed_process_frees_its_file(path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(ReplicaLocked):
            Replica.open(path)
        assert ReplicaReader(path).status().account == ""
        holder.kill()
        holder.wait()
    Replica.open(path).close()


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 20, b"short"])
def test_a_file_of_something_else_is_refused_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotAReplica):
        Replica.open(path)
    with pytest.raises(NotAReplica):
        ReplicaReader(path).status()
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_untouched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NotAReplica, match="no device file"):
        Replica.open(path)
    assert path.read_bytes() == before


def test_a_newer_format_is_refused(path: Path) -> None:
    Replica.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ReplicaVersionMismatch, match="format 99"):
        Replica.open(path)
    with pytest.raises(ReplicaVersionMismatch):
        ReplicaReader(path).status()


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 37, 2))
    with pytest.raises(ReplicaVersionMismatch, match=r"3\.38\.0 or newer"):
        Replica.open(path)
    assert not path.exists()


def test_a_damaged_file_is_called_so(path: Path) -> None:
    Replica.open(path).close()
    content = bytearray(path.read_bytes())
    content[8192 : 8192 * 3] = b"\xff" * 8192 * 2
    path.write_bytes(content)
    with pytest.raises(ReplicaDamaged, match="damaged"):
        Replica.open(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="unable to open"):
        Replica.open(tmp_path / "nowhere" / "device.db")


def test_bad_arguments_leave_the_file_free(path: Path) -> None:
    with pytest.raises(InvalidOption):
        Replica.open(path, "no port")
    with pytest.raises(ReplicaError, match="apply must be"):
        Replica.open(path, apply="row")  # type: ignore[arg-type]
    with Replica.open(path) as replica, pytest.raises(ReplicaError, match="no server was named"):
        replica.sync()


def test_a_full_disk_loses_nothing_that_was_stored(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    pages = bench.connection.execute("PRAGMA page_count").fetchone()[0]
    bench.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    big = [put(f"k{number}", number, "x" * 1_000) for number in range(2, 200)]
    with pytest.raises(StorageFailed, match="full"):
        bench.apply(page(segment(*big, above=1)))
    assert bench.reader.status().staged == 0
    bench.connection.execute("PRAGMA max_page_count = 1000000")
    bench.start()
    bench.apply(page(segment(*big, above=1), checkpoint=200))
    assert len(bench.names()) == 199


def test_a_query_cannot_write(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    for statement in ("DELETE FROM syncline_base_item", "nonsense", "SELECT 1; SELECT 2", "SELECT ?"):
        with pytest.raises(QueryFailed):
            bench.reader.query(statement)
    assert bench.names() == {"a": "a@1"}


@pytest.mark.parametrize("statement", ["ATTACH '{other}' AS other", "VACUUM INTO '{other}'", "SELECT '\ud800'"])
def test_a_query_writes_no_other_file(bench: Bench, path: Path, statement: str) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    other = path.with_name("other.db")
    with pytest.raises(QueryFailed):
        ReplicaReader(path).query(statement.format(other=other))
    assert not other.exists()


def test_a_device_may_be_named_by_text_as_for_a_client(path: Path) -> None:
    device = uuid4()
    for _ in range(2):
        with Replica.open(path, device=str(device)) as replica:
            assert replica.device_uuid == device
    with pytest.raises(InvalidOption, match="is no UUID"):
        Replica.open(path.with_name("other.db"), device="till 7")
    assert not path.with_name("other.db").exists()


def test_reading_needs_no_log_files(bench: Bench, path: Path) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    bench.close()
    assert not path.with_name("device.db-wal").exists()
    assert bench.names() == {"a": "a@1"}
