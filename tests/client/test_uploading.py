"""Uploading to the server, with both clients: verdicts, refusals and conflicts as the thin client shows them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from syncline.client import (
    AsyncSyncClient,
    ChangeInvalid,
    FieldViolation,
    SeqReused,
    StaleDevice,
    StoreEpochChanged,
    Superseded,
    rejection_of,
)
from syncline.data.schema import ConflictPolicy, ObjectType, Schema
from syncline.v1 import upload_pb2
from tests.client.notes import ACCOUNT, write_notes
from tests.client.upload_streams import Open
from tests.harness.server import NOTES, RunningApp, in_process_server

__all__ = ["in_process_server"]  # a fixture


def created(number: int, key: str, text: str = "text") -> upload_pb2.Change:
    """A change that creates a note."""
    return upload_pb2.Change(
        change_uuid=uuid4().bytes,
        change_seq=number,
        object_type="note",
        key=key,
        operation=upload_pb2.OPERATION_INSERT,
        data=f'{{"id":"{key}","text":"{text}"}}'.encode(),
    )


def edited(number: int, key: str, old: str, new: str, *, field: str = "text") -> upload_pb2.Change:
    """A change that gives a note another text, made on what was there first."""
    edit = upload_pb2.FieldEdit(name=field, old_value=f'"{old}"'.encode(), new_value=f'"{new}"'.encode())
    return upload_pb2.Change(
        change_uuid=uuid4().bytes,
        change_seq=number,
        object_type="note",
        key=key,
        operation=upload_pb2.OPERATION_UPDATE,
        base_revision=1,
        edits=[edit],
    )


async def start(server: RunningApp, device: UUID) -> str:
    """Make the device known; the history that the server has."""
    async with AsyncSyncClient(server.address, device) as client:
        return (await client.start_session()).store_epoch


def notes(server: RunningApp) -> list[str]:
    return [record.key for record in server.store.scan_records(ACCOUNT, "note", after_key=None, limit=100)]


async def test_g6_changes_get_verdicts_and_repeats_the_same(opened: Open, in_process_server: RunningApp) -> None:
    device = uuid4()
    epoch = await start(in_process_server, device)
    first, second = [created(1, "a"), created(2, "b")], [created(3, "c")]
    told = []
    for _ in range(2):
        async with opened(in_process_server.address, epoch, device=device) as stream:
            await stream.send(first)
            await stream.send(second)
            told.append([await stream.receive(), await stream.receive()])
    assert told[0] == told[1]
    assert {answer.verdict for answers in told[0] for answer in answers} == {upload_pb2.VERDICT_APPLIED}
    assert notes(in_process_server) == ["a", "b", "c"]
    async with AsyncSyncClient(in_process_server.address, device) as client:
        assert (await client.start_session()).next_change_seq == 4


async def test_a_rejected_change_holds_back_only_its_record(opened: Open, in_process_server: RunningApp) -> None:
    device = uuid4()
    epoch = await start(in_process_server, device)
    write_notes(in_process_server.store, {"a": "one"})
    async with opened(in_process_server.address, epoch, device=device) as stream:
        await stream.send([edited(1, "a", "one", "two", field="color"), edited(2, "a", "one", "two"), created(3, "b")])
        rejected, held, applied = await stream.receive()
    assert [answer.verdict for answer in (rejected, held, applied)] == [
        upload_pb2.VERDICT_REJECTED,
        upload_pb2.VERDICT_HELD,
        upload_pb2.VERDICT_APPLIED,
    ]
    why = rejection_of(rejected.status)
    assert isinstance(why, ChangeInvalid)
    (violation,) = why.field_violations
    assert isinstance(violation, FieldViolation)
    assert "color" in violation.field


async def test_errors_that_end_an_upload_come_after_what_was_decided(
    opened: Open, in_process_server: RunningApp
) -> None:
    device, address = uuid4(), in_process_server.address
    epoch = await start(in_process_server, device)
    repeated = created(1, "a")
    async with opened(address, epoch, device=device) as stream:
        await stream.send([repeated, created(2, "b")])
        await stream.receive()
    async with opened(address, epoch, device=device) as stream:
        await stream.send([repeated, created(2, "c"), created(3, "d")])
        assert [answer.change_seq for answer in await stream.receive()] == [1]
        assert stream.in_flight == 1
        with pytest.raises(SeqReused) as caught:
            await stream.receive()
    assert (caught.value.change_seq, caught.value.next_change_seq) == (2, 3)
    async with opened(address, epoch, device=device) as stream:
        await stream.send([], 100)
        with pytest.raises(StaleDevice):
            await stream.receive()
    async with opened(address, "another", device=device) as stream:
        await stream.send([created(3, "d")])
        with pytest.raises(StoreEpochChanged):
            await stream.receive()
    assert notes(in_process_server) == ["a", "b"]


async def test_a_second_upload_of_the_device_ends_the_first(opened: Open, in_process_server: RunningApp) -> None:
    device = uuid4()
    address = in_process_server.address
    epoch = await start(in_process_server, device)
    async with opened(address, epoch, device=device) as first:
        await first.send([created(1, "a")])
        await first.receive()
        async with opened(address, epoch, device=device) as second:
            await second.send([created(2, "b")])
            await second.receive()
            await first.send([created(2, "c")])
            with pytest.raises(Superseded):
                await first.receive()
    assert notes(in_process_server) == ["a", "b"]


async def test_conflicts_are_listed(opened: Open, in_process_server: RunningApp) -> None:
    device = uuid4()
    address = in_process_server.address
    write_notes(in_process_server.store, dict.fromkeys("abc", "one"))
    epoch = await start(in_process_server, device)
    write_notes(in_process_server.store, dict.fromkeys("abc", "theirs"))
    async with opened(address, epoch, device=device) as stream:
        await stream.send([edited(number, key, "one", "mine") for number, key in enumerate("abc", start=1)])
        told = [answer.conflict for answer in await stream.receive()]
    assert [list(conflict.fields) for conflict in told] == [["text"]] * 3
    async with AsyncSyncClient(address, device) as client:
        assert [conflict async for conflict in client.list_conflicts(page_size=2)] == told[::-1]
        (only,) = [conflict async for conflict in client.list_conflicts(object_type="note", key="b")]
        assert only == told[1]


async def test_the_schema_comes_with_what_devices_need_to_know_of_it(in_process_server: RunningApp) -> None:
    kinds = (
        ObjectType("main.fixed", "main", NOTES.fields, ("id",), read_only=True, merge_unsent_updates=True),
        NOTES,
        ObjectType("solved", "main", NOTES.fields, ("id",), conflict_policy=ConflictPolicy.RESOLVER, resolver="newest"),
    )
    in_process_server.store.write_schema(ACCOUNT, Schema(object_types=kinds), expected_version=1)
    async with AsyncSyncClient(in_process_server.address, uuid4()) as client:
        schema = await client.get_schema()
    assert schema is not None
    assert schema.object_types == kinds
