"""The local cluster: up, checked while its processes are killed, and down without anything left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from deploy.cluster.folder import Folder
from deploy.cluster.ports import METRICS, database_url, read_ports
from deploy.cluster.strays import find_processes
from deploy.cluster.supervisor import Supervisor
from tests.harness.programs import running_program

ROOT = Path(__file__).parents[2]
CLUSTER = [sys.executable, "-m", "deploy.cluster"]
PARTS = ("requests-1", "worker-1", "postgres", "sync-1", "sync-2")
"""What is killed one after the other while the check runs: one of each kind, and both servers of live updates."""


class Ended(NamedTuple):
    """What a command came to."""

    status: int
    output: str


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
    status = run(folder, "status")
    assert status.status == 0
    ports = read_ports(folder.ports)
    assert all(str(ports[name]) in status.output for name in METRICS.values())

    command = [*CLUSTER, "check", "--rows", "300", "--updates", "40", "--folder", str(folder.path)]
    with running_program(command, stderr=subprocess.STDOUT) as check:
        for part in PARTS:
            kill(folder, part)
        assert check.process.poll() is None, "the check ended before everything was killed"
        output = check.output.read()
        assert check.process.wait() == 0, output
    assert "no difference" in output
    assert "80 live updates" in output
    figures = re.search(r"by the metrics of its programs, .*: ([\d,]+) calls", output)
    assert figures is not None
    assert figures[1] != "0"

    # The supervisor dies: its programs go on, and are told from a cluster that runs.
    supervisor = int((folder.path / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: supervisor not in find_processes(folder))
    orphaned = run(folder, "status")
    assert orphaned.status == 1
    assert "the supervisor of" in orphaned.output
    assert "has died and left" in orphaned.output
    again = run(folder, "up")
    assert again.status == 0, again.output
    assert "are ended first" in again.output
    assert read_ports(folder.ports) == ports

    # The database is of a version that this program does not know: nothing of it joins.
    with psycopg.connect(database_url(ports), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    newer = run(folder, "up")
    assert newer.status == 1
    assert "is of the newer version 9999" in newer.output
    for words in (["serve", "--listen", "127.0.0.1:0"], ["worker"]):
        command = [sys.executable, "-m", "syncline.server", *words, "--database", database_url(ports)]
        joining = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert joining.returncode == 1
        assert "is of the newer version 9999" in joining.stderr

    assert run(folder, "down").status == 0
    assert find_processes(folder) == []
    stopped = run(folder, "status")
    assert (stopped.status, "is down" in stopped.output) == (1, True)
