"""Hints between processes on one Postgres database. Nothing here is found by polling: nobody polls within the hour."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing

import grpc
import psycopg
import pytest

from syncline.storage import Store, open_store
from tests.harness.postgres import PostgresServer
from tests.harness.programs import running_program
from tests.harness.server import RunningApp, declare_notes, running_app
from tests.harness.wire import PageStream, WireDevice, error_of, keys, next_page, note, notes, wire_device
from tests.service.requesting import request_calls, row, status


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    """A store with the object type `note` in the account `dev`."""
    with closing(open_store(postgres_url)) as store:
        declare_notes(store)
        yield store


@asynccontextmanager
async def hinted_app(url: str, **settings: object) -> AsyncIterator[RunningApp]:
    """A server with a store of its own, which looks at nothing unless it is woken."""
    options = {"database_url": url, "poll_seconds": 3_600, "recheck_seconds": 3_600, **settings}
    with closing(open_store(url)) as store:
        async with running_app(store, **options) as app:
            yield app


@asynccontextmanager
async def following(device: WireDevice) -> AsyncIterator[PageStream]:
    """A live stream of the device, at the head."""
    stream = device.stream(await device.start_id(always=True), follow=True)
    await next_page(stream)
    yield stream
    stream.cancel()


async def until_listening(url: str, processes: int) -> None:
    """Wait until as many processes listen to the database."""
    listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN syncline'"
    with psycopg.connect(url, autocommit=True) as database:
        while database.execute(listening).fetchall() != [(processes,)]:  # noqa: ASYNC110  another process brings it about
            await asyncio.sleep(0.005)


async def test_what_one_server_is_asked_and_writes_the_other_hears(store: Store, postgres_url: str) -> None:
    """The request goes one way, the records and the state of the request come back the other."""
    async with (
        hinted_app(postgres_url, embedded_worker=False) as one,
        hinted_app(postgres_url) as two,
        wire_device(one.address) as device,
        following(device) as stream,
        request_calls(one.address) as calls,
    ):
        await until_listening(postgres_url, 2)
        for key in ("a", "b", "c"):
            made = await calls.load([row(key)])

            assert keys([await next_page(stream)]) == [key]
            assert status(await calls.ended(made.sync_request_id)) == "SUCCESS"
        assert two.environment.notifier.accounts() == []


async def test_a_newer_stream_on_another_server_ends_the_older(store: Store, postgres_url: str) -> None:
    async with (
        hinted_app(postgres_url) as one,
        hinted_app(postgres_url) as two,
        wire_device(one.address) as here,
        wire_device(two.address, here.uuid) as there,
        following(here) as older,
    ):
        await until_listening(postgres_url, 2)
        async with following(there):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await next_page(older)

    assert error_of(caught.value) == (grpc.StatusCode.ABORTED, "SUPERSEDED")


async def test_pages_acknowledged_on_another_server_make_room(store: Store, postgres_url: str) -> None:
    store.write_records("dev", notes(10))
    async with (
        hinted_app(postgres_url, pages_in_flight=1) as one,
        hinted_app(postgres_url) as two,
        wire_device(one.address) as here,
        wire_device(two.address, here.uuid) as there,
    ):
        await until_listening(postgres_url, 2)
        stream = here.stream(await here.start_id(), page_size=1)
        for number in range(10):
            page = await next_page(stream)
            assert keys([page]) == [f"n{number}"]
            await there.acknowledge(page.page_ack_key)


async def test_hints_come_again_after_the_connections_were_cut(
    store: Store, postgres_url: str, postgres_server: PostgresServer
) -> None:
    async with (
        hinted_app(postgres_url) as one,
        hinted_app(postgres_url) as two,
        wire_device(one.address) as device,
        following(device) as stream,
    ):
        await until_listening(postgres_url, 2)
        for number in range(2):
            store.write_records("dev", [note(f"missed {number}")])  # nobody is told of it

            postgres_server.cut_connections(postgres_url)

            assert keys([await next_page(stream)]) == [f"missed {number}"]
            await until_listening(postgres_url, 2)
            store.write_records("dev", [note(f"told {number}")])
            two.wake()
            assert keys([await next_page(stream)]) == [f"told {number}"]
        assert one.environment.notifier.accounts() == ["dev"]


async def test_a_worker_process_is_woken_by_a_request(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_POLL_SECONDS", "3600")
    command = [sys.executable, "-m", "syncline.server", "worker", "--database", postgres_url]
    with running_program(command) as worker:
        async with hinted_app(postgres_url, embedded_worker=False) as app, request_calls(app.address) as calls:
            await until_listening(postgres_url, 2)
            for key in ("a", "b"):
                made = await calls.load([row(key)])
                assert status(await calls.ended(made.sync_request_id)) == "SUCCESS"
        worker.process.terminate()
        assert worker.process.wait() == 0
