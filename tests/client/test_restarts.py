"""Real processes that are killed: servers under a running loop, and programs in the middle of theirs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.client import Ack, Data, Meta
from syncline.storage import Store, open_store
from tests.client.notes import Copy, number_notes, write_notes
from tests.client.running import RunSync, run_asyncio, run_blocking
from tests.harness.programs import running_program
from tests.harness.server import ServerProcess, declare_notes, start_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "read_queue.py"

# More pages than a server sends ahead of acknowledgements, so that it dies with some unsent.
PAGE = 10
TOTAL = 1_000

PROGRAM = """
import pathlib, sys
from syncline.client import Ack, SyncClient
def handler(meta, data):
    print(meta.key, flush=True)
    return Ack.ACK
with SyncClient(sys.argv[1], pathlib.Path(sys.argv[2])) as client:
    client.sync(handler, page_size=10)
"""


@pytest.fixture(autouse=True)
def no_delay() -> None:
    """Here connections have to come back, which takes the time it takes."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('server') / 'server.db'}"


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[ServerProcess]:
    with start_server(database, drain_linger_seconds=0) as server:
        yield server


@pytest.fixture(scope="module")
def store(database: str, server: ServerProcess) -> Iterator[Store]:
    store = open_store(database)
    declare_notes(store)
    write_notes(store, number_notes(TOTAL))
    yield store
    store.close()


def killed(server: ServerProcess) -> None:
    server.restart()


def drained(server: ServerProcess) -> None:
    assert server.terminate() == 0
    server.start()


@pytest.mark.parametrize(
    ("run_sync", "restart"), [(run_blocking, killed), (run_asyncio, killed), (run_blocking, drained)]
)
@pytest.mark.usefixtures("store")
async def test_a_restart_of_the_server_loses_and_repeats_nothing(
    run_sync: RunSync, server: ServerProcess, restart: Callable[[ServerProcess], None]
) -> None:
    copy, device = Copy(), uuid4()

    def handler(meta: Meta, data: Data | None) -> Ack:
        if len(copy.handled) == TOTAL // 4 + PAGE // 2:
            restart(server)
        return copy(meta, data)

    result = await run_sync(server.address, handler, device=device, page_size=PAGE)
    assert copy.texts == number_notes(TOTAL)
    assert len(copy.handled) == TOTAL
    assert result.acknowledged == TOTAL
    assert result.sessions > 1
    assert (await run_sync(server.address, copy, device=device)).handled == 0


def handled_by_program(server: ServerProcess, device_file: Path, *, at: int, sent: signal.Signals) -> list[str]:
    """The keys that a program of its own handled; it is sent a signal when it has handled `at` of them."""
    keys: list[str] = []
    command = [sys.executable, "-c", PROGRAM, server.address, str(device_file)]
    with running_program(command, stderr=subprocess.DEVNULL) as (process, output):
        for line in output:
            keys.append(line.strip())
            if len(keys) == at:
                process.send_signal(sent)
        process.wait()
    return keys


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("sent", "repeated_max"),
    [
        (signal.SIGKILL, PAGE),
        # Whoever can still act acknowledges what was handled; but the item in hand may not have been answered.
        (signal.SIGINT, 1),
    ],
)
async def test_a_program_that_was_ended_gets_again_only_what_it_had_not_acknowledged(
    server: ServerProcess, tmp_path: Path, sent: signal.Signals, repeated_max: int
) -> None:
    device_file, copy = tmp_path / "device", Copy()
    before = handled_by_program(server, device_file, at=TOTAL // 2 + 7, sent=sent)
    await run_blocking(server.address, copy, device=device_file)
    after = [key for key, _ in copy.handled]
    assert set(before) | set(after) == set(number_notes(TOTAL))
    assert len(before) + len(after) <= TOTAL + repeated_max


@pytest.mark.usefixtures("store")
def test_the_example_reads_everything_once(server: ServerProcess, tmp_path: Path) -> None:
    def run() -> list[str]:
        command = [sys.executable, str(EXAMPLE), server.address]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.splitlines()

    first, second = run(), run()
    assert first[0] == "CREATED note 000000 {'id': '000000', 'text': 'text 0'}"
    assert len(first) == TOTAL + 1
    assert first[-1].startswith(f"{TOTAL} items acknowledged")
    assert [line.partition(",")[0] for line in second] == ["0 items acknowledged"]


def test_the_example_tells_what_went_wrong_in_a_line(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "nowhere"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ["read_queue: target must be host:port, such as 127.0.0.1:7400, not 'nowhere'"]
