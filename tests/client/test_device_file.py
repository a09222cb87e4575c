"""The device file: made once, whole, for its owner only, the same for all who race to make it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import UUID

import pytest

from syncline.client import DeviceFileError, SyncClient
from syncline.client.device_file import device_uuid_from_file


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "device"
    made = device_uuid_from_file(path)
    assert device_uuid_from_file(path) == made
    assert path.read_text() == f"{made}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["device"]


def test_threads_that_race_get_the_same(tmp_path: Path) -> None:
    racers, start = 16, Barrier(16)

    def race(round_number: int) -> UUID:
        start.wait()
        return device_uuid_from_file(tmp_path / f"device{round_number}")

    with ThreadPoolExecutor(racers) as pool:
        for round_number in range(20):
            assert len(set(pool.map(race, [round_number] * racers))) == 1


def test_processes_that_race_get_the_same(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from syncline.client.device_file import device_uuid_from_file as get;"
        "sys.stdin.read(1); print(get(pathlib.Path(sys.argv[1])))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "device")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    assert len({racer.communicate()[0] for racer in racers}) == 1


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xfe", b"8463d311-8a73-414a-9b6d-18160ed6c0ce" * 2])
def test_a_file_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device"
    path.write_bytes(content)
    with pytest.raises(DeviceFileError, match="not a device file"):
        device_uuid_from_file(path)
    assert path.read_bytes() == content


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceFileError, match="No such file or directory"):
        device_uuid_from_file(tmp_path / "missing" / "device")


def test_a_folder_instead_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceFileError, match="Is a directory"):
        device_uuid_from_file(tmp_path)


def test_a_client_takes_a_path(tmp_path: Path) -> None:
    with SyncClient("127.0.0.1:1", tmp_path / "device") as one, SyncClient("127.0.0.1:1", tmp_path / "device") as two:
        assert one.device_uuid == two.device_uuid
