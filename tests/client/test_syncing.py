"""The loop against the server: what comes, what comes again, what does not."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from syncline.client import (
    Ack,
    Answer,
    AsyncSyncClient,
    Data,
    EventType,
    HandlerError,
    InvalidField,
    Meta,
    Nack,
    ScopeNotFound,
    SessionNotFound,
    Superseded,
)
from syncline.v1 import queue_pb2
from tests.client.notes import ACCOUNT, Copy, delete_notes, number_notes, write_notes
from tests.client.running import RunSync
from tests.harness.server import NOTES, RunningApp, in_process_server

__all__ = ["in_process_server"]  # a fixture


async def test_everything_comes_then_only_what_changed_then_nothing(
    run_sync: RunSync, in_process_server: RunningApp
) -> None:
    device, copy, store = uuid4(), Copy(), in_process_server.store
    write_notes(store, number_notes(2_500))
    first = await run_sync(in_process_server.address, copy, device=device)
    assert copy.texts == number_notes(2_500)
    assert (first.handled, first.acknowledged, first.pages) == (2_500, 2_500, 3)

    write_notes(store, {"000007": "changed", "new": "born"})
    delete_notes(store, ["000008"])
    copy.handled.clear()
    second = await run_sync(in_process_server.address, copy, device=device)
    assert sorted(key for key, _ in copy.handled) == ["000007", "000008", "new"]
    expected = number_notes(2_500) | {"000007": "changed", "new": "born"}
    del expected["000008"]
    assert copy.texts == expected
    assert second.checkpoint_revision == store.get_head(ACCOUNT).revision

    third = await run_sync(in_process_server.address, copy, device=device)
    assert (third.handled, third.pages, third.sessions) == (0, 0, 0)
    assert third.checkpoint_revision == second.checkpoint_revision


async def test_an_item_says_what_happened(run_sync: RunSync, in_process_server: RunningApp) -> None:
    device, store = uuid4(), in_process_server.store
    write_notes(store, {"a": "one"})
    seen: list[tuple[Meta, Data | None]] = []

    def handler(meta: Meta, data: Data | None) -> Ack:
        seen.append((meta, data))
        return Ack.ACK

    await run_sync(in_process_server.address, handler, device=device)
    write_notes(store, {"a": "two"})
    await run_sync(in_process_server.address, handler, device=device)
    delete_notes(store, ["a"])
    await run_sync(in_process_server.address, handler, device=device)
    assert [(meta.event_type, data) for meta, data in seen] == [
        (EventType.CREATED, {"id": "a", "text": "one"}),
        (EventType.UPDATED, {"id": "a", "text": "two"}),
        (EventType.DELETED, None),
    ]
    assert {(meta.object_type, meta.scope, meta.bucket, meta.redelivered) for meta, _ in seen} == {
        ("note", "main", "", False)
    }
    assert seen[0][0].modified_at.isoformat() == "1970-01-01T00:00:01+00:00"


async def test_a_rejected_item_is_redelivered_and_parked_after_five_sessions(
    run_sync: RunSync, in_process_server: RunningApp
) -> None:
    device, address = uuid4(), in_process_server.address
    write_notes(in_process_server.store, number_notes(3))
    seen: list[tuple[str, bool]] = []

    def handler(meta: Meta, data: Data | None) -> Answer:
        seen.append((meta.key, meta.redelivered))
        return Nack("full") if meta.key == "000001" else Ack.ACK

    result = await run_sync(address, handler, device=device)
    assert (result.acknowledged, result.rejected) == (2, 1)
    for tries in range(2, 6):
        result = await run_sync(address, handler, device=device)
        (failed,) = result.failed_objects
        assert (failed.key, failed.reason, failed.rejections) == ("000001", "full", tries)
    assert failed.state == queue_pb2.FailedObject.STATE_PARKED
    assert seen == [("000000", False), ("000001", False), ("000002", False)] + 4 * [("000001", True)]

    parked = await run_sync(address, handler, device=device)
    assert parked.handled == 0
    assert [item.key for item in parked.failed_objects] == ["000001"]


async def test_a_redelivered_item_that_is_accepted_is_settled(run_sync: RunSync, in_process_server: RunningApp) -> None:
    device, copy, address = uuid4(), Copy(), in_process_server.address
    write_notes(in_process_server.store, {"a": "one"})
    rejected = await run_sync(address, lambda meta, data: Ack.NACK, device=device)
    assert [failed.key for failed in rejected.failed_objects] == ["a"]
    assert (await run_sync(address, copy, device=device)).failed_objects == ()
    assert copy.texts == {"a": "one"}
    assert (await run_sync(address, copy, device=device)).handled == 0


async def test_an_exception_rejects_only_its_item(run_sync: RunSync, in_process_server: RunningApp) -> None:
    write_notes(in_process_server.store, number_notes(10))
    copy = Copy()

    def handler(meta: Meta, data: Data | None) -> Ack:
        if meta.key == "000004":
            raise LookupError("no such shelf")
        return copy(meta, data)

    result = await run_sync(in_process_server.address, handler)
    assert len(copy.texts) == 9
    assert [failed.reason for failed in result.failed_objects] == ["LookupError: no such shelf"]


async def test_after_a_forgotten_return_only_what_came_before_is_acknowledged(
    run_sync: RunSync, in_process_server: RunningApp
) -> None:
    device, copy = uuid4(), Copy()
    write_notes(in_process_server.store, number_notes(10))

    def forgetful(meta: Meta, data: Data | None) -> Ack:
        return None if meta.key == "000004" else Ack.ACK  # type: ignore[return-value]

    with pytest.raises(HandlerError):
        await run_sync(in_process_server.address, forgetful, device=device)
    await run_sync(in_process_server.address, copy, device=device)
    assert sorted(copy.texts) == [f"{number:06}" for number in range(4, 10)]


async def test_a_full_resync_brings_everything_again(run_sync: RunSync, in_process_server: RunningApp) -> None:
    device, copy, again = uuid4(), Copy(), Copy()
    write_notes(in_process_server.store, number_notes(20))
    await run_sync(in_process_server.address, copy, device=device)
    result = await run_sync(in_process_server.address, again, device=device, full_resync=True)
    assert again.texts == copy.texts
    assert result.full_resync


async def test_another_history_of_the_server_brings_everything_again(
    run_sync: RunSync, in_process_server: RunningApp
) -> None:
    device, copy, again = uuid4(), Copy(), Copy()
    write_notes(in_process_server.store, number_notes(20))
    await run_sync(in_process_server.address, copy, device=device)
    in_process_server.store.renew_store_epoch(ACCOUNT)
    await run_sync(in_process_server.address, again, device=device)
    assert again.texts == copy.texts


async def test_a_follow_brings_changes_as_they_happen(run_sync: RunSync, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    write_notes(store, {"a": "one"})
    loop = asyncio.get_running_loop()
    seen: list[str] = []

    class Enough(BaseException):
        pass

    def handler(meta: Meta, data: Data | None) -> Ack:
        assert data is not None
        seen.append(data["text"])
        if data["text"] == "three":
            raise Enough
        following = {"one": "two", "two": "three"}[data["text"]]
        write_notes(store, {"a": following})
        loop.call_soon_threadsafe(in_process_server.wake)
        return Ack.ACK

    with pytest.raises(Enough):
        await run_sync(in_process_server.address, handler, follow=True)
    assert seen == ["one", "two", "three"]


async def test_a_second_follow_of_the_device_ends_the_first(in_process_server: RunningApp) -> None:
    device = uuid4()
    write_notes(in_process_server.store, {"a": "one"})
    reading = asyncio.Event()

    def handler(meta: Meta, data: Data | None) -> Ack:
        reading.set()
        return Ack.ACK

    async with (
        AsyncSyncClient(in_process_server.address, device) as first,
        AsyncSyncClient(in_process_server.address, device) as second,
    ):
        running = asyncio.create_task(first.sync(handler, follow=True))
        await reading.wait()
        session = await second.start_session(always=True)
        async with second.read_queue(session.session.id, follow=True) as pages:
            await anext(pages)
            with pytest.raises(Superseded):
                await running


async def test_several_connections_may_share_the_fetching_of_a_session(in_process_server: RunningApp) -> None:
    device = uuid4()
    write_notes(in_process_server.store, number_notes(25))
    keys: list[str] = []
    async with AsyncSyncClient(in_process_server.address, device) as client:
        session = (await client.start_session()).session.id
        while page_items := list((page := await client.fetch_queue(session, page_size=10)).items()):
            keys += [meta.key for meta, _ in page_items]
            answer = await client.acknowledge(page.item_ack_keys())
            assert answer.acknowledged == len(page_items)
        assert sorted(keys) == sorted(number_notes(25))
        assert not (await client.start_session()).HasField("session")


async def test_the_schema_comes_in_the_classes_that_both_ends_share(in_process_server: RunningApp) -> None:
    async with AsyncSyncClient(in_process_server.address, uuid4()) as client:
        schema = await client.get_schema()
        assert schema is not None
        assert schema.object_types == (NOTES,)
        assert await client.get_schema(schema.version) is None


async def test_bad_requests_are_told_by_type_and_field(in_process_server: RunningApp) -> None:
    async with AsyncSyncClient(in_process_server.address, uuid4()) as client:
        with pytest.raises(ScopeNotFound):
            await client.start_session(scopes=["nowhere"])
        with pytest.raises(SessionNotFound):
            await client.fetch_queue(str(uuid4()))
        session = (await client.start_session(always=True)).session.id
        with pytest.raises(InvalidField) as caught:
            await client.fetch_queue(session, page_size=0)
        assert [violation.field for violation in caught.value.field_violations] == ["page_size"]
        with pytest.raises(InvalidField):
            await client.sync(lambda meta, data: Ack.ACK, page_size=5_001, full_resync=True)
