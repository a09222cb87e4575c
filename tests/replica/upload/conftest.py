"""A server with several kinds of records, and devices that change them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncline.replica import Replica
from syncline.storage import open_store
from tests.harness.server_thread import ServerThread, server_thread
from tests.replica.upload.serving import Served, serve

OpenDevice = Callable[..., Replica]


@pytest.fixture(scope="package")
def servers() -> Iterator[ServerThread]:
    with server_thread() as thread:
        yield thread


@pytest.fixture
def served(servers: ServerThread) -> Iterator[Served]:
    """A server over a store in memory."""
    with closing(open_store("memory:")) as store, serve(servers, store) as served:
        yield served


@pytest.fixture
def served_database(servers: ServerThread, store_url: str) -> Iterator[Served]:
    """A server over each kind of database."""
    with closing(open_store(store_url)) as store, serve(servers, store) as served:
        yield served


@pytest.fixture
def open_device(tmp_path: Path) -> Iterator[OpenDevice]:
    """Opens a device file by the name of the device, at the address of a server."""
    opened: list[Replica] = []

    def open_it(address: str, name: str = "device", **options: Any) -> Replica:
        opened.append(Replica.open(tmp_path / f"{name}.db", address, **options))
        return opened[-1]

    yield open_it
    for replica in opened:
        replica.close()
