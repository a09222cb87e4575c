"""Runs commands in the test's process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from syncline.cli.__main__ import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "device.db"


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


Syncline = Callable[..., Ended]


@pytest.fixture
def syncline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Syncline]:
    """Run a command in this process: starting one takes longer than most commands."""

    def run(*words: object, **env: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", ["syncline", *map(str, words)])
            for name, value in env.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        return Ended(ended.value.code if isinstance(ended.value.code, int) else 0, *capsys.readouterr())

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)
