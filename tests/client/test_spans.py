"""Spans of the loop: what a service does with its queue, as one trace on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from opentelemetry import trace

from syncline.client import Ack, HandlerError
from syncline.data import telemetry
from tests.client.notes import Copy, number_notes, write_notes
from tests.client.running import RunSync
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
