"""The device database in an event loop: tasks take turns, and what is cancelled ends soundly."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

from syncline.client import AlreadySyncing
from syncline.replica import (
    AsyncObjects,
    AsyncReplica,
    Candidate,
    Objects,
    Phase,
    RecordNotFound,
    Replica,
    ReplicaError,
    SyncEvent,
)
from tests.replica.serving import ServedStore, number_notes, write_notes


@pytest.fixture
async def replica(path: Path, server: ServedStore) -> AsyncIterator[AsyncReplica]:
    """A device that has synchronised once."""
    async with AsyncReplica.open(path, server.address) as replica:
        await replica.sync()
        yield replica


async def _texts(replica: AsyncReplica) -> dict[str, str]:
    return {record.key: record.data["text"] for record in await replica.objects("note").get_all()}


@pytest.mark.parametrize(("plain", "flavour"), [(Replica, AsyncReplica), (Objects, AsyncObjects)])
def test_both_flavours_have_the_same_names_and_signatures(plain: type, flavour: type) -> None:
    # `local` is a part that nobody needs to reach for in asyncio programs.
    assert _public(flavour) == _public(plain) - {"local"}
    # Reading the schema opens the file, so it has to be awaited.
    for name in _public(flavour) - {"device_uuid", "name", "schema"}:
        assert _parameters(flavour, name) == _parameters(plain, name), name
        assert f"See `{plain.__name__}.{name}`." in (getattr(flavour, name).__doc__ or ""), name
    coroutines = {name for name in _public(flavour) if inspect.iscoroutinefunction(getattr(flavour, name))}
    without = {"open", "device_uuid", "name", "objects", "transaction", "watch", "stop"}
    assert coroutines == _public(flavour) - without


def _public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def _parameters(kind: type, name: str) -> list[tuple[str, Any, Any, Any]]:
    parameters = inspect.signature(getattr(kind, name)).parameters.values()
    return [(each.name, each.kind, each.default, each.annotation) for each in parameters]


async def test_an_awaited_opening_is_closed_by_hand(path: Path) -> None:
    replica = await AsyncReplica.open(path)
    assert (await replica.schema()).version == 0
    assert (await replica.status()).device_uuid == replica.device_uuid
    await replica.close()
    await replica.close()
    for call in (replica.status, replica.sync, replica.objects("note").get_all):
        with pytest.raises(ReplicaError, match="closed"):
            await call()
    Replica.open(path).close()


async def test_a_cancelled_opening_leaves_the_file_free(path: Path) -> None:
    opening = asyncio.ensure_future(_open(path))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    Replica.open(path).close()


async def _open(path: Path) -> AsyncReplica:
    return await AsyncReplica.open(path)


async def test_local_work_goes_on_during_a_watch_which_sends_it(replica: AsyncReplica, server: ServedStore) -> None:
    events: list[tuple[Phase, int]] = []

    def note(event: SyncEvent) -> None:
        events.append((event.phase, threading.get_ident()))

    async with aclosing(replica.watch(on_event=note)) as reports:
        await anext(reports)
        await replica.objects("note").create({"id": "a", "text": "from the device"})
        server.write({"b": "from the server"})
        async for _ in reports:
            if len(await _texts(replica)) == 2:
                break
        while await replica.objects("note").is_pending("a"):
            pass  # its verdict may come after the page that holds it, and then makes no report
    assert await _texts(replica) == {"a": "from the device", "b": "from the server"}
    assert (Phase.SYNC_STARTED, threading.get_ident()) in events
    assert {thread for _, thread in events} == {threading.get_ident()}
    await replica.sync()


async def test_a_second_synchronisation_is_refused(replica: AsyncReplica) -> None:
    async with aclosing(replica.watch()) as reports:
        await anext(reports)
        for call in (replica.sync, replica.push, replica.reconcile, replica.reset):
            with pytest.raises(AlreadySyncing):
                await call()


async def test_stop_ends_a_watch(replica: AsyncReplica) -> None:
    reports = 0
    async for _ in replica.watch():
        reports += 1
        replica.stop()
    assert reports == 1


async def test_close_ends_a_watch(path: Path, server: ServedStore) -> None:
    replica = await AsyncReplica.open(path, server.address)
    async with aclosing(replica.watch()) as reports:
        await anext(reports)
        following = asyncio.ensure_future(anext(reports, None))
        await asyncio.sleep(0)
        await replica.close()
        assert await following is None


async def test_a_cancelled_synchronisation_stops_and_goes_on_later(path: Path, server: ServedStore) -> None:
    write_notes(server.store, number_notes(100))
    asked, go_on = threading.Event(), threading.Event()

    def accept(_: Candidate, __: dict[str, Any]) -> None:
        asked.set()
        assert go_on.wait(60)

    async with AsyncReplica.open(path, server.address, page_size=10, apply="page", accept=accept) as replica:
        running = asyncio.ensure_future(replica.sync())
        await asyncio.to_thread(asked.wait)
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()  # a second time does not leave the thread behind either
        await asyncio.sleep(0)
        assert not running.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        report = await replica.sync()
        assert 0 < report.total.received < 100
        assert len(await _texts(replica)) == 100


async def test_a_task_that_is_cancelled_in_a_watch_leaves_it(replica: AsyncReplica) -> None:
    watching = asyncio.Event()

    async def watch() -> None:
        async for _ in replica.watch():
            watching.set()

    task = asyncio.ensure_future(watch())
    await watching.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await replica.sync()


async def test_leaving_the_loop_ends_the_watch(replica: AsyncReplica) -> None:
    async for _ in replica.watch():
        break
    assert (await replica.sync()).nothing_new
    async for _ in replica.watch():
        break
    async for _ in replica.watch():
        with pytest.raises(AlreadySyncing):
            await replica.sync()
        break


async def test_an_opening_that_the_end_of_the_loop_cancels_leaves_the_file_free(path: Path) -> None:
    """`asyncio.run` cancels every task that is left, whoever started it."""
    opening, go_on = threading.Event(), threading.Event()

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        opening.set()
        go_on.wait()
        connection: sqlite3.Connection = sqlite3.connect(*args, **options)
        return connection

    async def open_it() -> None:
        await AsyncReplica.open(path, connect=connect)

    task = asyncio.ensure_future(open_it())
    await asyncio.to_thread(opening.wait)
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    asyncio.get_running_loop().call_later(0.01, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    Replica.open(path).close()


async def test_tasks_take_turns_with_transactions(replica: AsyncReplica) -> None:
    notes = replica.objects("note")
    inside, other = asyncio.Event(), asyncio.Event()

    async def write_alone() -> None:
        await inside.wait()
        other.set()
        await notes.create({"id": "alone", "text": ""})
        assert "second" in await _texts(replica)

    task = asyncio.ensure_future(write_alone())
    async with replica.transaction():
        await notes.create({"id": "first", "text": ""})
        inside.set()
        await other.wait()
        assert await _texts(replica) == {"first": ""}
        await notes.create({"id": "second", "text": ""})
    await task
    groups = await replica.query("SELECT group_concat(key) FROM syncline_change GROUP BY transaction_no ORDER BY 1")
    assert [row[0] for row in groups] == ["alone", "first,second"]


async def test_reads_of_others_see_what_is_committed_and_do_not_wait(replica: AsyncReplica) -> None:
    seen: list[dict[str, str]] = []
    inside, read = asyncio.Event(), asyncio.Event()

    async def look() -> None:
        await inside.wait()
        seen.append(await _texts(replica))
        read.set()

    task = asyncio.ensure_future(look())
    async with replica.transaction():
        await replica.objects("note").create({"id": "a", "text": ""})
        inside.set()
        await read.wait()
    await task
    assert seen == [{}]


async def test_tasks_that_are_started_inside_a_transaction_are_a_part_of_it(replica: AsyncReplica) -> None:
    notes = replica.objects("note")

    async def write() -> None:
        async with replica.transaction():
            await asyncio.wait_for(notes.create({"id": "a", "text": ""}), 60)
            await asyncio.gather(*(notes.create({"id": f"b{number}", "text": ""}) for number in range(3)))
            assert len(await asyncio.wait_for(_texts(replica), 60)) == 4
            await notes.delete_by_pk("not there")

    with pytest.raises(RecordNotFound):
        await write()
    assert await _texts(replica) == {}


async def test_a_transaction_inside_another_is_undone_by_itself(replica: AsyncReplica) -> None:
    notes = replica.objects("note")

    async def fail() -> None:
        async with replica.transaction():
            await notes.create({"id": "undone", "text": ""})
            await notes.delete_by_pk("not there")

    async def succeed(key: str) -> None:
        async with replica.transaction():
            await notes.create({"id": key, "text": ""})
            await asyncio.sleep(0)

    async with replica.transaction():
        results = await asyncio.gather(succeed("a"), fail(), succeed("b"), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), RecordNotFound, type(None)]
    assert await _texts(replica) == {"a": "", "b": ""}


async def test_a_transaction_that_is_cancelled_is_undone(replica: AsyncReplica) -> None:
    notes = replica.objects("note")
    written = asyncio.Event()

    async def write() -> None:
        async with replica.transaction():
            await notes.create({"id": "a", "text": ""})
            written.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await notes.create({"id": "b", "text": ""})
    assert await _texts(replica) == {"b": ""}


async def test_a_transaction_that_is_cancelled_while_it_begins_is_not_left_open(
    replica: AsyncReplica, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that the transaction has to wait
        task = asyncio.ensure_future(_write_in_transaction(replica))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await _texts(replica) == {}
    await _write_in_transaction(replica)
    assert await _texts(replica) == {"a": ""}


async def _write_in_transaction(replica: AsyncReplica) -> None:
    async with replica.transaction():
        await replica.objects("note").create({"id": "a", "text": ""})


async def test_a_task_that_waits_for_its_turn_can_be_cancelled(replica: AsyncReplica) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        await inside.wait()
        await replica.objects("note").create({"id": "a", "text": ""})

    task = asyncio.ensure_future(write())
    async with replica.transaction():
        inside.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await _texts(replica) == {}


async def test_what_would_wait_for_its_own_transaction_is_refused(replica: AsyncReplica) -> None:
    async with replica.transaction():
        for call in (replica.sync, replica.push, replica.reconcile, replica.reset, replica.close):
            with pytest.raises(ReplicaError, match="a local transaction is open"):
                await call()
        with pytest.raises(ReplicaError, match="a local transaction is open"):
            await anext(replica.watch())
