"""Servers and devices of the service tests. What runs in process runs over a store in memory and over SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest

from syncline.storage import Store, open_store
from tests.connectors.working import Site
from tests.harness.server import RunningApp, declare_notes, running_app, server_process
from tests.harness.wire import WireDevice, wire_device

__all__ = ["server_process"]  # a fixture


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store with the object type `note` in the account `dev`."""
    store = open_store("memory:" if request.param == "memory" else request.getfixturevalue("sqlite_url"))
    declare_notes(store)
    yield store
    store.close()


@pytest.fixture
async def in_process_server(store: Store) -> AsyncIterator[RunningApp]:
    """A server over the store."""
    async with running_app(store) as app:
        yield app


@pytest.fixture
async def device(in_process_server: RunningApp) -> AsyncIterator[WireDevice]:
    """A device of the server in process."""
    async with wire_device(in_process_server.address) as device:
        yield device


@pytest.fixture
def site(sqlite_url: str) -> Iterator[Site]:
    """A store over SQLite whose requests are run in the test's process."""
    with closing(open_store(sqlite_url)) as store:
        made = Site(store)
        made.declare()
        yield made
        made.connector.released.set()
