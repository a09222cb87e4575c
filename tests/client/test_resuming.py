"""What the loop does when something breaks: nothing lost, nothing acknowledged handled again."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.client import (
    Ack,
    Answer,
    ConnectionLost,
    Data,
    HandlerError,
    InternalError,
    LimitReached,
    Meta,
    Nack,
    PageMissing,
    ResyncRequired,
    Superseded,
    SyncClient,
)
from tests.client.running import RunSync
from tests.client.scripted import Fault, Item, ScriptedService, items, page, started

BROKEN = Fault(grpc.StatusCode.UNAVAILABLE)
DRAINING = Fault(grpc.StatusCode.UNAVAILABLE, "DRAINING")
RESYNC = Fault(grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")


class Collector:
    """A handler that notes what it is given."""

    def __init__(self, answer: Callable[[Meta], Answer] = lambda meta: Ack.ACK) -> None:
        self.keys: list[str] = []
        self._answer = answer

    def __call__(self, meta: Meta, data: Data | None) -> Answer:
        self.keys.append(meta.key)
        return self._answer(meta)


async def test_each_page_is_acknowledged_once_by_its_own_key(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.append([page(1, items(1, 3)), page(2, items(4, 5), checkpoint=5)])
    collector = Collector()
    result = await run_sync(scripted, collector)
    assert collector.keys == ["1", "2", "3", "4", "5"]
    assert service.acks() == [["page 1"], ["page 2"]]
    assert (result.handled, result.acknowledged, result.pages, result.sessions) == (5, 5, 2, 1)
    assert result.checkpoint_revision == 5


@pytest.mark.parametrize("fault", [BROKEN, DRAINING, Fault(grpc.StatusCode.ABORTED, "ACK_OVERDUE")])
async def test_a_broken_stream_is_resumed_by_a_new_session(
    run_sync: RunSync, service: ScriptedService, scripted: str, fault: Fault
) -> None:
    service.streams.extend([[page(1, items(1, 2)), fault], [page(1, items(3, 4), checkpoint=4)]])
    collector = Collector()
    result = await run_sync(scripted, collector)
    assert collector.keys == ["1", "2", "3", "4"]
    assert result.sessions == 2


@pytest.mark.parametrize("stream", [[page(2, items(1, 2))], [page(1, items(1, 2)), page(3, items(5, 6))]])
async def test_a_missing_page_starts_a_new_session(
    run_sync: RunSync, service: ScriptedService, scripted: str, stream: list[object]
) -> None:
    service.streams.extend([stream, [page(1, items(3, 4), checkpoint=4)]])  # type: ignore[list-item]
    collector = Collector()
    await run_sync(scripted, collector)
    assert collector.keys[-2:] == ["3", "4"]
    assert not {"5", "6"} & set(collector.keys)


async def test_a_stream_that_never_reaches_its_checkpoint_is_given_up(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[] for _ in range(9)])
    with pytest.raises(PageMissing):
        await run_sync(scripted, Collector())
    assert len(service.start_requests) == 9


def test_a_server_that_cannot_be_reached_is_given_up() -> None:
    with SyncClient("127.0.0.1:1", uuid4(), resume_attempts_max=1) as client, pytest.raises(ConnectionLost) as caught:
        client.sync(Collector())
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE


async def test_items_whose_acknowledgement_was_lost_are_acknowledged_again_but_not_handled_again(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[page(1, items(1, 3))], [page(1, items(1, 4), checkpoint=4)]])
    service.ack_faults.append(Fault(grpc.StatusCode.INTERNAL))
    collector = Collector()
    result = await run_sync(scripted, collector)
    assert collector.keys == ["1", "2", "3", "4"]
    assert service.acks() == [["page 1"], ["page 1"]]
    assert result.acknowledged == 4


async def test_an_item_that_changed_meanwhile_is_handled_again(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[page(1, [Item("a", 1)])], [page(1, [Item("a", 2)], checkpoint=2)]])
    service.ack_faults.append(Fault(grpc.StatusCode.INTERNAL))
    collector = Collector()
    await run_sync(scripted, collector)
    assert collector.keys == ["a", "a"]


async def test_an_item_of_another_history_is_handled_again(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.starts.extend([started(epoch="one"), started(epoch="two")])
    service.streams.extend([[page(1, [Item("a", 1)])], [page(1, [Item("a", 1)], checkpoint=2)]])
    service.ack_faults.append(Fault(grpc.StatusCode.INTERNAL))
    collector = Collector()
    await run_sync(scripted, collector)
    assert collector.keys == ["a", "a"]


async def test_a_rejection_that_was_lost_is_told_again_without_a_second_try(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[page(1, items(1, 2))], [page(1, items(1, 2), checkpoint=2)]])
    service.ack_faults.append(Fault(grpc.StatusCode.INTERNAL))
    collector = Collector(lambda meta: Nack("no room") if meta.key == "2" else Ack.ACK)
    result = await run_sync(scripted, collector)
    assert collector.keys == ["1", "2"]
    assert [[r.key for r in request.rejections] for request in service.ack_requests] == [["2"], ["2"]]
    assert (result.acknowledged, result.rejected) == (1, 1)


async def test_a_rejection_that_the_server_knows_is_tried_again_when_it_is_redelivered(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    again = page(1, items(1, 1), checkpoint=1, redelivered=True)
    service.streams.extend([[page(1, items(1, 1))], [again]])
    service.ack_faults.append(Fault(grpc.StatusCode.INTERNAL))
    answers = iter([Ack.NACK, Ack.ACK])
    result = await run_sync(scripted, Collector(lambda meta: next(answers)))
    assert result.failed_objects == ()
    assert result.acknowledged == 1


async def test_a_superseded_stream_is_not_resumed(run_sync: RunSync, service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, items(1, 2)), Fault(grpc.StatusCode.ABORTED, "SUPERSEDED")])
    with pytest.raises(Superseded):
        await run_sync(scripted, Collector(), follow=True)
    assert len(service.start_requests) == 1


async def test_a_fault_of_the_server_is_not_resumed(run_sync: RunSync, service: ScriptedService, scripted: str) -> None:
    service.streams.append([Fault(grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")])
    with pytest.raises(InternalError):
        await run_sync(scripted, Collector())


async def test_a_device_that_must_resynchronise_does_so_in_full(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.starts.append(RESYNC)
    service.streams.append([page(1, items(1, 1), checkpoint=1)])
    result = await run_sync(scripted, Collector())
    assert [request.full_resync for request in service.start_requests] == [False, True]
    assert result.full_resync


async def test_a_device_that_must_resynchronise_twice_is_told(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.starts.extend([RESYNC, RESYNC])
    with pytest.raises(ResyncRequired):
        await run_sync(scripted, Collector())


async def test_a_feed_lost_in_the_middle_needs_only_a_new_session(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[page(1, items(1, 1)), RESYNC], [page(1, items(2, 2), checkpoint=2)]])
    result = await run_sync(scripted, Collector())
    assert [request.full_resync for request in service.start_requests] == [False, False]
    assert not result.full_resync


async def test_a_resumed_full_resync_goes_on_with_the_load_that_began(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[page(1, items(1, 1)), BROKEN], [page(1, items(2, 2), checkpoint=2)]])
    await run_sync(scripted, Collector(), full_resync=True)
    assert [request.full_resync for request in service.start_requests] == [True, False]


async def test_a_forgotten_return_aborts_and_acknowledges_what_came_before(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.append([page(1, items(1, 5), checkpoint=5)])
    forgetful = Collector(lambda meta: None if meta.key == "4" else Ack.NACK if meta.key == "2" else Ack.ACK)  # type: ignore[arg-type, return-value]
    with pytest.raises(HandlerError, match="forgotten return") as caught:
        await run_sync(scripted, forgetful)
    assert caught.value.meta.key == "4"
    assert service.acks() == [["item 1", "item 2", "item 3"]]
    assert [r.key for r in service.ack_requests[0].rejections] == ["2"]


async def test_an_abort_that_cannot_be_acknowledged_says_so(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.append([page(1, items(1, 2), checkpoint=2)])
    service.ack_faults.append(Fault(grpc.StatusCode.INTERNAL))
    with pytest.raises(HandlerError) as caught:
        await run_sync(scripted, Collector(lambda meta: True if meta.key == "2" else Ack.ACK))  # type: ignore[arg-type, return-value]
    assert "could not be acknowledged" in caught.value.__notes__[0]


async def test_an_interrupt_acknowledges_exactly_what_was_handled(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    class Interrupted(BaseException):
        pass

    def handler(meta: Meta, data: Data | None) -> Ack:
        if meta.key == "3":
            raise Interrupted
        return Ack.ACK

    service.streams.append([page(1, items(1, 5), checkpoint=5)])
    with pytest.raises(Interrupted):
        await run_sync(scripted, handler)
    assert service.acks() == [["item 1", "item 2"]]


async def test_an_exception_rejects_its_item_and_no_other(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    def handler(meta: Meta, data: Data | None) -> Ack:
        if meta.key == "2":
            raise ValueError("no\0good\udc80")
        return Ack.ACK

    service.streams.append([page(1, items(1, 3), checkpoint=3)])
    result = await run_sync(scripted, handler)
    assert service.acks() == [["page 1"]]
    assert [(r.key, r.reason) for r in service.ack_requests[0].rejections] == [("2", "ValueError: no�good?")]
    assert [failed.key for failed in result.failed_objects] == ["2"]


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff"])
async def test_data_that_is_no_object_rejects_its_item_and_no_other(
    run_sync: RunSync, service: ScriptedService, scripted: str, data: bytes
) -> None:
    service.streams.append([page(1, [Item("good", 1), Item("bad", 2, data)], checkpoint=2)])
    collector = Collector()
    await run_sync(scripted, collector)
    assert collector.keys == ["good"]
    assert [r.key for r in service.ack_requests[0].rejections] == ["bad"]


async def test_more_rejections_than_one_call_takes_are_told_in_parts_by_item_keys(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.append([page(1, items(1, 1_001), checkpoint=1_001)])
    result = await run_sync(scripted, Collector(lambda meta: Ack.NACK), page_size=5_000)
    assert [len(request.rejections) for request in service.ack_requests] == [1_000, 1]
    assert service.acks()[1] == ["item 1001"]
    assert result.rejected == 1_001


async def test_a_reached_limit_is_told(run_sync: RunSync, service: ScriptedService, scripted: str) -> None:
    service.streams.append([page(1, items(1, 2), checkpoint=2)])
    service.ack_faults.append(Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED"))
    with pytest.raises(LimitReached):
        await run_sync(scripted, Collector(lambda meta: Ack.NACK))


BUSY = Fault(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    "LIMIT_REACHED",
    (error_details_pb2.RetryInfo(retry_delay=Duration(nanos=1_000_000)),),
)


async def test_a_call_that_is_one_too_many_for_now_is_made_again(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.append([page(1, items(1, 2), checkpoint=2)])
    service.starts.extend([BUSY, BUSY])
    service.ack_faults.extend([BUSY, BUSY, BUSY])
    result = await run_sync(scripted, Collector(lambda meta: Ack.ACK))
    assert (result.sessions, result.acknowledged) == (1, 2)
    assert len(service.start_requests) == 3
    assert service.acks() == [["page 1"]] * 4


async def test_a_stream_that_is_one_too_many_for_now_is_opened_again(
    run_sync: RunSync, service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[BUSY], [BUSY], [page(1, items(1, 2), checkpoint=2)]])
    assert (await run_sync(scripted, Collector(lambda meta: Ack.ACK))).acknowledged == 2
