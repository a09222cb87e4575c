"""Spans of the loop: what a service does with its queue, as one trace on both sides."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from uuid import uuid4

import grpc
import pytest
from opentelemetry import trace

from syncline.client import Ack, AsyncSyncClient, HandlerError, SyncClient
from syncline.data import telemetry
from tests.client.calling import Call, call_asyncio, call_blocking
from tests.client.notes import Copy, number_notes, write_notes
from tests.client.running import RunSync
from tests.client.scripted_requests import ScriptedRequests, request, serving_requests
from tests.client.upload_streams import Open
from tests.harness.server import RunningApp, in_process_server
from tests.harness.spans import Spans, recorded_spans

__all__ = ["in_process_server"]  # a fixture


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded_spans() as spans:
        yield spans


async def test_all_of_a_run_is_one_trace(run_sync: RunSync, in_process_server: RunningApp, spans: Spans) -> None:
    write_notes(in_process_server.store, number_notes(3))
    await run_sync(in_process_server.address, Copy(), device=uuid4())
    (sync,) = spans.named(telemetry.SPAN_SYNC)
    (apply,) = spans.named(telemetry.SPAN_PAGE_APPLY)
    (acknowledge,) = spans.named(telemetry.SPAN_ACKNOWLEDGE)
    assert apply.parent == acknowledge.parent == sync.get_span_context()
    assert apply.attributes == {telemetry.PAGE_NUMBER: 1, telemetry.ITEMS: 3, telemetry.IS_CHECKPOINT: True}
    assert acknowledge.attributes == {telemetry.ACKNOWLEDGED: 1, telemetry.REFUSED: 0}
    assert spans.named(telemetry.SPAN_PAGE)
    assert len({context.trace_id for span in spans if (context := span.get_span_context()) is not None}) == 1


async def test_a_run_that_fails_says_as_what_but_not_with_which_words(
    run_sync: RunSync, in_process_server: RunningApp, spans: Spans
) -> None:
    write_notes(in_process_server.store, {"secret": "x"})
    with pytest.raises(HandlerError):
        await run_sync(in_process_server.address, lambda *_: None, device=uuid4())
    for name in (telemetry.SPAN_SYNC, telemetry.SPAN_PAGE_APPLY):
        (span,) = spans.named(name)
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes[telemetry.ERROR_TYPE] == "HandlerError"
        assert "secret" not in span.to_json()


async def test_a_handler_works_in_the_span_of_its_page(
    run_sync: RunSync, in_process_server: RunningApp, spans: Spans
) -> None:
    write_notes(in_process_server.store, {"a": "x"})
    seen = []

    def handler(*_: object) -> Ack:
        seen.append(trace.get_current_span().get_span_context())
        return Ack.ACK

    await run_sync(in_process_server.address, handler, device=uuid4())
    assert seen == [span.get_span_context() for span in spans.named(telemetry.SPAN_PAGE_APPLY)]


def _ended(spans: Spans, method: str) -> tuple[object, object]:
    """How the client's span of the only call of this method ended: its status and its error."""
    (span,) = (span for span in spans if span.kind is trace.SpanKind.CLIENT and span.name.endswith(f"/{method}"))
    told = span.attributes or {}
    assert (span.status.status_code is trace.StatusCode.ERROR) == (telemetry.ERROR_TYPE in told)
    return told[telemetry.RPC_STATUS_CODE], told.get(telemetry.ERROR_TYPE)


async def test_an_upload_that_has_all_its_answers_is_no_failure_however_it_is_left(
    opened: Open, in_process_server: RunningApp, spans: Spans
) -> None:
    async with opened(in_process_server.address, _epoch(in_process_server)) as stream:
        await stream.send([])
        await stream.receive()
        stream.cancel()
    assert _ended(spans, "Upload") == (grpc.StatusCode.CANCELLED.value[0], None)


async def test_an_upload_that_is_left_without_a_word_is_no_failure_either(
    opened: Open, in_process_server: RunningApp, spans: Spans
) -> None:
    async with opened(in_process_server.address, _epoch(in_process_server)) as stream:
        await stream.send([])
        await stream.receive()
    del stream
    gc.collect()
    await in_process_server.until(lambda: any(span.name.endswith("/Upload") for span in spans))
    assert _ended(spans, "Upload")[1] is None


async def test_an_upload_that_is_cancelled_before_its_answer_failed(
    opened: Open, in_process_server: RunningApp, spans: Spans
) -> None:
    async with opened(in_process_server.address, _epoch(in_process_server)) as stream:
        await stream.send([])
        stream.cancel()
    assert _ended(spans, "Upload") == (grpc.StatusCode.CANCELLED.value[0], "CANCELLED")


def _epoch(app: RunningApp) -> str:
    return f"{app.store.get_head('dev').store_epoch:x}"


async def test_pages_that_nobody_waits_for_any_more_are_no_failure(in_process_server: RunningApp, spans: Spans) -> None:
    write_notes(in_process_server.store, number_notes(3))
    with SyncClient(in_process_server.address, uuid4()) as client:
        session = await asyncio.to_thread(client.start_session)
        with client.read_queue(session.session.id, follow=True) as pages:
            await asyncio.to_thread(next, pages)
    assert _ended(spans, "ReadQueue") == (grpc.StatusCode.CANCELLED.value[0], None)


async def test_pages_whose_task_is_cancelled_are_no_failure(in_process_server: RunningApp, spans: Spans) -> None:
    write_notes(in_process_server.store, number_notes(3))
    came = asyncio.Event()

    async def follow() -> None:
        async with AsyncSyncClient(in_process_server.address, uuid4()) as client:
            session = await client.start_session()
            async for _ in client.read_queue(session.session.id, follow=True):
                came.set()

    following = asyncio.create_task(follow())
    await came.wait()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert _ended(spans, "ReadQueue") == (grpc.StatusCode.CANCELLED.value[0], None)


@pytest.mark.parametrize("call", [call_blocking, call_asyncio], ids=["blocking", "asyncio"])
async def test_a_request_that_was_watched_to_its_end_is_no_failure(call: Call, spans: Spans) -> None:
    requests = ScriptedRequests()
    requests.hold = True  # the server leaves the call open
    requests.watches.append([request(), request("SUCCESS")])
    with serving_requests(requests) as target:
        await call(target, "requests", "watch", "r")
    assert _ended(spans, "WatchSyncRequest") == (grpc.StatusCode.CANCELLED.value[0], None)
