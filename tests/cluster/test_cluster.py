"""The local cluster: up, checked while its processes are killed, and down without anything left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.cluster.folder import Folder
from deploy.cluster.strays import end_processes, find_processes
from deploy.cluster.supervisor import Supervisor
from tests.harness.programs import running_program

ROOT = Path(__file__).parents[2]
CLUSTER = [sys.executable, "-m", "deploy.cluster"]
PARTS = ("sync-1", "requests-1", "worker-1", "postgres")
"""One of each kind, killed one after the other while the check runs."""


class Ended(NamedTuple):
    """What a command came to."""

    status: int
    output: str


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A folder that Postgres can reach when root runs the tests, which pytest's own are not."""
    monkeypatch.setenv("SYNCLINE_LEASE_SECONDS", "3")  # a worker's death is to be noticed soon
    path = Path(tempfile.mkdtemp(prefix="syncline-cluster-"))
    folder = Folder(path)
    try:
        yield folder
    finally:
        end_processes(folder)
        shutil.rmtree(path, ignore_errors=True)


def run(folder: Folder, *words: str) -> Ended:
    command = [*CLUSTER, *words, "--folder", str(folder.path)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Ended(ended.returncode, ended.stdout)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that other processes bring about; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.02)


def kill(folder: Folder, name: str) -> None:
    """SIGKILL a program, and wait until another process runs it."""
    pids = {each.name: each.pid for each in Supervisor(folder).programs()}
    os.kill(pids[name], signal.SIGKILL)
    until(
        lambda: any(
            each.name == name and each.state == "RUNNING" and each.pid != pids[name]
            for each in Supervisor(folder).programs()
        )
    )


@pytest.mark.timeout(300)
def test_a_check_passes_while_any_process_is_killed_and_nothing_is_left(folder: Folder) -> None:
    started = run(folder, "up")
    assert started.status == 0, started.output
    assert run(folder, "status").status == 0

    command = [*CLUSTER, "check", "--rows", "300", "--updates", "40", "--folder", str(folder.path)]
    with running_program(command, stderr=subprocess.STDOUT) as check:
        for part in PARTS:
            kill(folder, part)
        assert check.process.poll() is None, "the check ended before everything was killed"
        output = check.output.read()
        assert check.process.wait() == 0, output
    assert "no difference" in output
    assert "80 live updates" in output

    # The supervisor dies: its programs go on, and are told from a cluster that runs.
    supervisor = int((folder.path / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervisor not in find_processes(folder))
    orphaned = run(folder, "status")
    assert orphaned.status == 1
    assert "the supervisor of" in orphaned.output
    assert "has died and left" in orphaned.output
    ports = folder.ports.read_text()
    again = run(folder, "up")
    assert again.status == 0, again.output
    assert "are ended first" in again.output
    assert folder.ports.read_text() == ports

    assert run(folder, "down").status == 0
    assert find_processes(folder) == []
    stopped = run(folder, "status")
    assert (stopped.status, "is down" in stopped.output) == (1, True)
