"""Ctrl-C and SIGTERM at any moment of a command: it ends soon, quietly, and the file is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.cli import INTERRUPTED
from syncline.replica import ReplicaReader
from tests.cli.conftest import Syncline
from tests.harness.programs import running_program
from tests.replica.serving import ServedStore, number_notes, served_store, write_notes

ROUNDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "2"))

DEAF = """
import time
from syncline.cli import interrupting
from syncline.cli.app import app
from syncline.cli.__main__ import main

interrupting.PATIENCE_S = 0.3

def swallow(moments):
    for _ in range(moments):
        try:
            print("deaf", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            pass

@app.command("swallowing")
def swallowing(moments: int):
    swallow(moments)

@app.command("unstoppable")
def unstoppable(moments: int):
    with interrupting.interrupts.stopped_by(lambda: None):
        swallow(moments)

main()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        write_notes(server.store, number_notes(2_000))
        yield server


@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize(("command", "ended"), [("watch", {0, INTERRUPTED}), ("sync", {0, INTERRUPTED})])
def test_a_signal_at_any_moment_ends_it_quietly(
    server: ServedStore, file: Path, syncline: Syncline, command: str, ended: set[int], seed: int
) -> None:
    rng = random.Random(f"{command} {seed}")
    words = [sys.executable, "-m", "syncline.cli", command, str(file), "--server", server.address]
    with running_program(words, stderr=subprocess.PIPE) as (program, output):
        if command == "watch" and rng.random() < 0.5:
            output.readline()
            server.write({"live": f"live {seed}"})
        else:
            # From where Python has set its own handler, on: the file is there soon after.
            while not file.exists() and program.poll() is None:
                time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        program.send_signal(rng.choice([signal.SIGINT, signal.SIGTERM]))
        assert program.wait(timeout=30) in ended
        assert program.stderr is not None
        assert program.stderr.read() == ""
    assert syncline("sync", file, "--server", server.address).status == 0
    assert ReplicaReader(file).query("SELECT count(*) FROM note WHERE id <> 'live'")[0][0] == 2_000


@pytest.mark.parametrize(
    ("command", "moments", "status"),
    [("swallowing", 2, 0), ("unstoppable", 1, INTERRUPTED), ("unstoppable", 9, INTERRUPTED)],
)
def test_one_that_is_deaf_to_it_ends_all_the_same(command: str, moments: int, status: int) -> None:
    words = [sys.executable, "-c", DEAF, command, str(moments)]
    with running_program(words, stderr=subprocess.PIPE) as (program, output):
        output.readline()
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=30) == status
        assert program.stderr is not None
        assert program.stderr.read() == ""


def test_a_signal_that_is_ignored_stays_so(server: ServedStore, file: Path) -> None:
    words = [sys.executable, "-m", "syncline.cli", "watch", str(file), "--server", server.address]
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words]  # as a shell starts what it runs in the background
    with running_program(ignoring, stderr=subprocess.PIPE) as (program, output):
        output.readline()
        program.send_signal(signal.SIGINT)
        server.write({"live": "still there"})
        assert "note +" in output.readline()
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=30) == 0
