"""`syncline-server` as a process."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.client import SyncClient, Unauthenticated
from syncline.storage import open_store
from tests.chaos.fuzz_garbage import GOAWAY, PREFACE, SETTINGS, frame
from tests.harness.secrets import secret
from tests.harness.server import ServerProcess, declare_notes, start_server
from tests.harness.wire import keys, next_page, notes, wire_device


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server process for several tests."""
    with start_server(f"sqlite:///{tmp_path_factory.mktemp('running') / 'server.db'}") as server:
        yield server


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `syncline-server` to its end."""
    command = [sys.executable, "-m", "syncline.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_g3_durable_first_acknowledgements_survive_sigkill(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    with start_server(url) as server:
        store = open_store(url)
        declare_notes(store)
        store.write_records("dev", notes(4))
        async with wire_device(server.address) as device:
            pages = await device.read(await device.start_id(), page_size=2)
            await device.acknowledge(pages[0].page_ack_key)
        server.restart()
        async with wire_device(server.address, device.uuid) as device:
            assert keys(await device.sync()) == ["n2", "n3"]
        store.close()


async def test_another_process_s_write_reaches_a_live_stream(running_server: ServerProcess) -> None:
    store = open_store(running_server.database_url)
    declare_notes(store)
    async with wire_device(running_server.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)

        store.write_records("dev", notes(1))

        assert keys([await next_page(stream)]) == ["n0"]
        stream.cancel()
    store.close()


def test_it_says_loudly_that_it_is_in_development_mode(running_server: ServerProcess) -> None:
    assert "DEVELOPMENT MODE" in running_server.log


def test_a_port_in_use_is_told(running_server: ServerProcess) -> None:
    ended = run("serve", "--database", "memory:", "--listen", running_server.address)

    assert ended.returncode == 2
    assert running_server.address in ended.stderr.splitlines()[-1]


def test_a_database_without_our_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE something (else_ INTEGER)")
    connection.close()
    url = f"sqlite:///{path}"

    refused = run("serve", "--database", url, "--listen", "127.0.0.1:0")

    assert refused.returncode == 1
    assert "syncline-server migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_g9_with_api_keys_a_server_asks_for_them_on_loopback_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    assert run("account", "create", "acme", "--database", url).returncode == 0
    made = run("token", "create", "robot", "--account", "acme", "--permission", "sync", "--database", url)
    secret(made.stdout.strip(), made.stdout.strip()[-44:])
    with start_server(url, api_keys=True, account="typo") as server:
        with SyncClient(server.address, uuid4(), token=made.stdout.strip()) as client:
            assert client.start_session(always=True).session.id
        with SyncClient(server.address, uuid4()) as client, pytest.raises(Unauthenticated):
            client.start_session()
        assert "DEVELOPMENT MODE" not in server.log
        assert made.stdout.strip()[16:] not in server.log
    assert run("account", "list", "--database", url).stdout == "acme\n"


def test_a_stranger_writes_no_line_into_the_log(running_server: ServerProcess) -> None:
    goaway = frame(GOAWAY, 0, 0, bytes(4) + b"\0\0\0\x02" + b"\nforged line\xff\n")
    with socket.create_connection(("127.0.0.1", running_server.port)) as stranger:
        stranger.sendall(PREFACE + frame(SETTINGS, 0, 0) + goaway)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(65_536):  # until the server has read all of it
            pass

    assert "forged" not in running_server.log
