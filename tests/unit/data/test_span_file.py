"""The file of spans."""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path

import pytest

from syncline.data.span_file import SpanFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


def _aside(path: Path) -> Path:
    return path.with_name("traces.jsonl.1")


def _append_many(path: Path, name: str) -> None:
    file = SpanFile(path, 40_000)
    for number in range(200):
        file.append(f"{name} {number} {'x' * 50}\n".encode() * 2)


def test_processes_append_whole_lines_and_lose_none(path: Path) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=_append_many, args=(path, str(n))) for n in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    # 400 batches of two lines of about 57 bytes: more than one file takes, less than two.
    lines = _aside(path).read_text().splitlines() + path.read_text().splitlines()
    assert len(lines) == 800
    assert lines[0::2] == lines[1::2], "a batch stands together"
    assert len(set(lines)) == 400
    assert _aside(path).stat().st_size <= 40_000


def test_a_full_file_is_put_aside_and_one_is_kept(path: Path) -> None:
    file = SpanFile(path, bytes_max=10)

    for word in (b"one", b"two", b"three", b"four"):
        file.append(word + b"\n")
        assert path.stat().st_size <= 10

    assert (_aside(path).read_bytes(), path.read_bytes()) == (b"three\n", b"four\n")
    assert {each.name for each in path.parent.iterdir()} == {path.name, _aside(path).name}


def test_a_batch_beyond_the_limit_gets_a_file_of_its_own(path: Path) -> None:
    file = SpanFile(path, bytes_max=10)

    file.append(b"a\n")
    file.append(b"long" * 10 + b"\n")

    assert (_aside(path).read_bytes(), path.read_bytes()) == (b"a\n", b"long" * 10 + b"\n")


def test_half_a_line_of_a_killed_process_spoils_no_other(path: Path) -> None:
    path.write_bytes(b"whole\nhal")

    SpanFile(path).append(b"next\n")

    assert path.read_bytes() == b"whole\nhal\nnext\n"


def test_a_file_that_was_removed_is_made_again(path: Path) -> None:
    file = SpanFile(path)
    file.append(b"one\n")
    path.unlink()

    file.append(b"two\n")

    assert path.read_bytes() == b"two\n"


def test_a_full_disk_leaves_no_half_lines(path: Path) -> None:
    file = SpanFile(path)
    file.append(b"one\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            file.append(b"a longer line\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert path.read_bytes() == b"one\n"
