"""Streams of changes: equal in both clients; nothing left behind, whatever happens."""

from __future__ import annotations

import asyncio
import threading
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.client import (
    AnswerInvalid,
    AnswerMissing,
    AsyncSyncClient,
    CallCancelled,
    ClientClosed,
    ConnectionLost,
    InvalidOption,
    NothingInFlight,
    SeqReused,
    SyncClient,
)
from syncline.v1 import upload_pb2
from tests.client.scripted import Fault, ScriptedService
from tests.client.upload_streams import Open, Stream


def changes(*numbers: int, data: bytes = b"") -> list[upload_pb2.Change]:
    return [upload_pb2.Change(change_seq=number, data=data) for number in numbers]


def answers(*numbers: int) -> upload_pb2.UploadResponse:
    return upload_pb2.UploadResponse(answers=[upload_pb2.ChangeAnswer(change_seq=number) for number in numbers])


async def received(stream: Stream) -> list[int]:
    return [answer.change_seq for answer in await stream.receive()]


async def test_messages_are_answered_in_their_order(opened: Open, service: ScriptedService, scripted: str) -> None:
    service.uploads.append([answers(1, 2), answers(3), answers()])
    async with opened(scripted, "epoch") as stream:
        await stream.send(changes(1, 2))
        await stream.send(changes(3), 2)
        await stream.send([], 3)
        assert stream.in_flight == 3
        assert [await received(stream) for _ in range(3)] == [[1, 2], [3], []]
        assert stream.in_flight == 0
    sent = [(request.store_epoch, request.settled_through, len(request.changes)) for request in service.upload_requests]
    assert sent == [("epoch", 0, 2), ("", 2, 1), ("", 3, 0)]
    assert "syncline-device-uuid" in service.metadata[0]


async def test_answers_that_came_before_an_error_come_before_it(
    opened: Open, service: ScriptedService, scripted: str
) -> None:
    numbers = {"change_seq": "5", "next_change_seq": "9"}
    info = error_details_pb2.ErrorInfo(reason="SEQ_REUSED", domain="syncline", metadata=numbers)
    reused = Fault(grpc.StatusCode.FAILED_PRECONDITION, details=(info,))
    service.uploads.append([answers(1, 2), answers(3, 4), reused])
    async with opened(scripted) as stream:
        await stream.send(changes(1, 2))
        await stream.send(changes(3, 4, 5, 6))
        await asyncio.to_thread(service.stream_ended.wait, 10)
        assert [await received(stream), await received(stream)] == [[1, 2], [3, 4]]
        assert stream.in_flight == 1
        for _ in range(2):
            with pytest.raises(SeqReused) as caught:
                await stream.receive()
        assert (caught.value.change_seq, caught.value.next_change_seq) == (5, 9)


async def test_sending_does_not_wait_even_if_nothing_is_read(
    opened: Open, service: ScriptedService, scripted: str
) -> None:
    service.hold = True
    service.uploads.append([])
    async with opened(scripted) as stream:
        for number in range(1, 5):
            await stream.send(changes(number, data=bytes(2_000_000)))
        assert stream.in_flight == 4
        asyncio.get_running_loop().call_soon(stream.cancel)
        with pytest.raises(CallCancelled):
            await stream.receive()


async def test_a_lost_connection_is_told_by_receive(opened: Open, service: ScriptedService, scripted: str) -> None:
    service.uploads.append([Fault(grpc.StatusCode.UNAVAILABLE)])
    async with opened(scripted) as stream:
        await asyncio.to_thread(service.stream_ended.wait, 10)
        await stream.send(changes(1))
        with pytest.raises(ConnectionLost):
            await stream.receive()
        assert stream.in_flight == 1


async def test_a_stream_that_ends_too_soon_is_told(opened: Open, service: ScriptedService, scripted: str) -> None:
    service.uploads.append([answers(1), None])
    async with opened(scripted) as stream:
        await stream.send(changes(1, 2))
        assert await received(stream) == [1]
        with pytest.raises(AnswerMissing) as caught:
            await stream.receive()
        assert caught.value.transient


@pytest.mark.parametrize("wrong", [answers(2, 1), answers(1, 2, 3), answers(3)])
async def test_answers_of_other_changes_break_the_contract(
    opened: Open, service: ScriptedService, scripted: str, wrong: upload_pb2.UploadResponse
) -> None:
    service.uploads.append([wrong])
    async with opened(scripted) as stream:
        await stream.send(changes(1, 2))
        with pytest.raises(AnswerInvalid):
            await stream.receive()


async def test_what_makes_no_sense_is_refused(opened: Open, service: ScriptedService, scripted: str) -> None:
    service.uploads.append([])
    async with opened(scripted) as stream:
        with pytest.raises(NothingInFlight):
            await stream.receive()
        with pytest.raises(InvalidOption):
            await stream.send(changes(1), 2**64)
        assert stream.in_flight == 0
    with pytest.raises(ClientClosed):
        await stream.send(changes(1))


async def test_leaving_the_block_says_that_no_more_comes(service: ScriptedService, scripted: str) -> None:
    service.uploads.extend([[], []])
    with SyncClient(scripted, uuid4()) as client:
        with client.upload("e") as stream:
            stream.send(changes(1))
        assert await asyncio.to_thread(service.upload_left.wait, 10)
    service.upload_left.clear()
    async with AsyncSyncClient(scripted, uuid4()) as asynchronous:
        async with asynchronous.upload("e") as async_stream:
            await async_stream.send(changes(1))
        assert await asyncio.to_thread(service.upload_left.wait, 10)
    assert [len(request.changes) for request in service.upload_requests] == [1, 1]


async def test_an_exception_in_the_block_cancels_the_call(service: ScriptedService, scripted: str) -> None:
    def fail(client: SyncClient) -> None:
        with client.upload("e") as stream:
            stream.send(changes(1))
            stream.receive()
            raise LookupError

    async def fail_async(client: AsyncSyncClient) -> None:
        async with client.upload("e") as stream:
            await stream.send(changes(1))
            await stream.receive()
            raise LookupError

    service.hold = True
    service.uploads.extend([[answers(1)], [answers(1)]])
    with SyncClient(scripted, uuid4()) as client:
        with pytest.raises(LookupError) as caught:  # its traceback holds the stream
            fail(client)
        assert await asyncio.to_thread(service.stream_ended.wait, 10)
    service.stream_ended.clear()
    async with AsyncSyncClient(scripted, uuid4()) as asynchronous:
        with pytest.raises(LookupError) as caught:
            await fail_async(asynchronous)
        assert await asyncio.to_thread(service.stream_ended.wait, 10)
    del caught


async def test_a_stream_that_nobody_holds_ends_with_its_call(service: ScriptedService, scripted: str) -> None:
    service.hold = True
    service.uploads.extend([[answers(1)], [answers(1)]])
    with SyncClient(scripted, uuid4()) as client:
        stream = client.upload("e")
        stream.send(changes(1))
        stream.receive()
        del stream
        assert await asyncio.to_thread(service.stream_ended.wait, 10)
    service.stream_ended.clear()
    async with AsyncSyncClient(scripted, uuid4()) as asynchronous:
        async_stream = asynchronous.upload("e")
        await async_stream.send(changes(1))
        await async_stream.receive()
        del async_stream
        assert await asyncio.to_thread(service.stream_ended.wait, 10)


def test_the_thread_that_sends_ends_with_the_call(service: ScriptedService, scripted: str) -> None:
    service.uploads.append([answers(1), Fault(grpc.StatusCode.UNAVAILABLE)])
    with SyncClient(scripted, uuid4()) as client:
        before = set(threading.enumerate())
        stream = client.upload("e")
        stream.send(changes(1))
        stream.receive()
        stream.send(changes(2))
        with pytest.raises(ConnectionLost):
            stream.receive()
        for thread in set(threading.enumerate()) - before:
            if "consume_request_iterator" in thread.name:
                thread.join(10)
                assert not thread.is_alive()


async def test_cancelling_the_task_that_receives_is_no_error_of_the_call(
    service: ScriptedService, scripted: str
) -> None:
    service.hold = True
    service.uploads.append([])
    async with AsyncSyncClient(scripted, uuid4()) as client, client.upload("e") as stream:
        await stream.send(changes(1))
        task = asyncio.create_task(stream.receive())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
