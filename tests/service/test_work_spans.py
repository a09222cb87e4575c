"""Spans of the server's own work, and the contexts that it keeps: pages, uploads, runs of sync requests, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from syncline.data import telemetry
from syncline.server.environment import now_us
from syncline.server.requests.scheduling import run_due_schedules
from syncline.storage import Store
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import Operation, Schedule
from syncline.storage.request_states import RequestStatus
from syncline.storage.trace_context import current_trace_context, span_context
from tests.connectors.working import ACCOUNT, ENROLLMENT_ID, Site
from tests.harness.server import RunningApp, running_app
from tests.harness.spans import Spans, recorded_spans
from tests.harness.wire import WireDevice, note, notes
from tests.service.requesting import request_calls, row
from tests.service.uploading import insert, upload_once, verdicts

_tracer = trace.get_tracer(__name__)


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded_spans() as spans:
        yield spans


def only(spans: Spans, name: str) -> ReadableSpan:
    (span,) = spans.named(name)
    return span


async def ended(app: RunningApp, spans: Spans, method: str) -> ReadableSpan:
    """The span of the only call of this method, which ends a little after its answer."""
    name = f"syncline.v1.{method}"
    await app.until(lambda: any(span.kind is trace.SpanKind.SERVER for span in spans.named(name)))
    return only(spans, name)


def told(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


def ids(context: trace.SpanContext | None) -> tuple[int, int] | None:
    return None if context is None else (context.trace_id, context.span_id)


def kept(text: str | None) -> tuple[int, int] | None:
    return None if text is None else ids(span_context(text))


def contexts(site: Site, *keys: str) -> list[tuple[int, int] | None]:
    """What is kept with these notes."""
    found = {row.key: row.trace_context for row in site.store.get_records(ACCOUNT, "note", keys)}
    return [kept(found[key]) for key in keys]


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def write_in_spans(app: RunningApp, writes: list[RecordWrite]) -> list[tuple[int, int] | None]:
    """Write each record in a span of its own; the contexts of these."""
    written = []
    for write in writes:
        with _tracer.start_as_current_span("write") as span:
            app.store.write_records("dev", [write])
            written.append(ids(span.get_span_context()))
    return written


# Pages


async def test_a_page_links_to_where_its_records_were_written(
    device: WireDevice, in_process_server: RunningApp, spans: Spans
) -> None:
    written = write_in_spans(in_process_server, notes(3))
    with _tracer.start_as_current_span("write") as span:
        in_process_server.store.write_records("dev", [note("x"), note("y")])
        written.append(ids(span.get_span_context()))
    in_process_server.store.write_records("dev", [note("of nobody")])
    await device.sync()
    (page,) = (each for each in spans.named(telemetry.SPAN_PAGE) if each.links)
    assert [ids(link.context) for link in page.links] == written
    assert told(page, telemetry.ITEMS) == 6
    records = [*notes(3), note("x"), note("y"), note("of nobody")]
    assert told(page, telemetry.SIZE_BYTES) == sum(len(record.frame or b"") for record in records)
    assert told(page, telemetry.IS_CHECKPOINT) is True
    call = await ended(in_process_server, spans, "SyncService/ReadQueue")
    assert ids(page.parent) == ids(call.get_span_context())
    acknowledged = await ended(in_process_server, spans, "SyncService/Acknowledge")
    assert (told(acknowledged, telemetry.ACKNOWLEDGED), told(acknowledged, telemetry.STALE)) == (1, 0)


async def test_a_page_links_to_32_contexts_at_most(
    device: WireDevice, in_process_server: RunningApp, spans: Spans
) -> None:
    written = write_in_spans(in_process_server, notes(40))
    await device.fetch(await device.start_id(), page_size=100)
    call = await ended(in_process_server, spans, "SyncService/FetchQueue")
    page = only(spans, telemetry.SPAN_PAGE)
    assert [ids(link.context) for link in page.links] == written[:32]
    assert ids(page.parent) == ids(call.get_span_context())


async def test_nothing_is_noted_of_a_call_that_its_caller_does_not_sample(
    device: WireDevice, in_process_server: RunningApp, spans: Spans
) -> None:
    device.metadata += (("traceparent", f"00-{'1' * 32}-{'2' * 16}-00"),)
    assert verdicts(await upload_once(device, insert(1, "a", "note", id="a"))) == ["APPLIED"]
    device.metadata = device.metadata[:1]
    (page,) = await device.sync()
    assert page.count == 1
    await ended(in_process_server, spans, "SyncService/ReadQueue")
    assert not spans.named(telemetry.SPAN_UPLOAD)
    assert not spans.named("syncline.v1.SyncService/Upload")
    assert not only(spans, telemetry.SPAN_PAGE).links


# Runs of sync requests


def test_a_run_is_a_part_of_what_asked_for_it(site: Site, spans: Spans) -> None:
    site.enroll(rows=5, batch=2)
    with _tracer.start_as_current_span("asked") as asked:
        request_id = site.ask(trace_context=current_trace_context())
    assert site.run(request_id).status is RequestStatus.SUCCESS
    run = only(spans, telemetry.SPAN_RUN)
    assert ids(run.parent) == ids(asked.get_span_context())
    assert run.kind is trace.SpanKind.CONSUMER
    assert (told(run, telemetry.REQUEST_OPERATION), told(run, telemetry.CONNECTOR)) == ("read", "scripted")
    batches = spans.named(telemetry.SPAN_BATCH)
    assert [told(batch, telemetry.ROWS_WRITTEN) for batch in batches] == [2, 2, 1]
    assert {ids(batch.parent) for batch in batches} == {ids(run.get_span_context())}
    first, second, third = (ids(batch.get_span_context()) for batch in batches)
    assert contexts(site, "k0", "k1", "k2", "k4") == [first, first, second, third]
    assert (events(run), run.status.status_code) == ([], trace.StatusCode.UNSET)


def test_a_request_that_nobody_traced_begins_a_trace_with_its_run(site: Site, spans: Spans) -> None:
    site.enroll(rows=1)
    site.run(site.ask())
    assert only(spans, telemetry.SPAN_RUN).parent is None


def test_rows_that_are_as_they_were_leave_the_records_to_whom_they_are_of(site: Site, spans: Spans) -> None:
    site.enroll(rows=2)
    site.run(site.ask(full=True))
    (first,) = spans.named(telemetry.SPAN_BATCH)
    site.run(site.ask(full=True))
    assert contexts(site, "k0", "k1") == [ids(first.get_span_context())] * 2
    assert told(spans.named(telemetry.SPAN_BATCH)[-1], telemetry.ROWS_SKIPPED) == 2


def test_a_sweep_leaves_its_context_with_what_it_deletes(site: Site, spans: Spans) -> None:
    site.enroll(rows=3)
    site.run(site.ask(full=True))
    site.enroll(rows=3, without=[1])
    site.run(site.ask(full=True))
    swept = only(spans, telemetry.SPAN_SWEEP)
    assert told(swept, telemetry.ROWS_WRITTEN) == 1
    assert contexts(site, "k1") == [ids(swept.get_span_context())]


@pytest.mark.parametrize(("for_good", "event"), [(False, telemetry.EVENT_RETRY), (True, telemetry.EVENT_FAILED)])
def test_an_attempt_that_fails_says_what_follows(site: Site, spans: Spans, for_good: bool, event: str) -> None:
    site.enroll(rows=4, batch=2, fail_after=2, fail_for_good=for_good)
    site.run(site.ask())
    run = only(spans, telemetry.SPAN_RUN)
    assert (events(run), run.status.status_code) == ([event], trace.StatusCode.ERROR)


def test_a_cancelled_run_says_so(site: Site, spans: Spans) -> None:
    site.enroll(rows=4)
    request_id = site.ask()
    held = site.claim()
    site.store.cancel_request(ACCOUNT, request_id, by="test", now=now_us())
    site.runner.run(held)
    run = only(spans, telemetry.SPAN_RUN)
    assert (events(run), run.status.status_code) == ([telemetry.EVENT_CANCELLED], trace.StatusCode.UNSET)


def test_a_run_that_lost_its_lease_says_so(site: Site, spans: Spans) -> None:
    site.enroll(rows=4)
    request_id = site.ask()
    late = site.claim()
    site.store.promote_requests(now=now_us() + 400_000_000, failures_max=5)
    site.run(request_id)
    site.runner.run(late)
    run = spans.named(telemetry.SPAN_RUN)[-1]
    assert (events(run), run.status.status_code) == ([telemetry.EVENT_LEASE_LOST], trace.StatusCode.ERROR)


def test_a_batch_that_goes_elsewhere_links_to_where_its_records_were_written(site: Site, spans: Spans) -> None:
    written = []
    for key in ("k0", "k1", "k2"):
        with _tracer.start_as_current_span("write") as span:
            site.store.write_records(ACCOUNT, [note(key)])
            written.append(ids(span.get_span_context()))
    site.store.write_records(ACCOUNT, [note("of nobody")])
    site.enroll(batch=2, behind=1)
    assert site.run(site.ask(Operation.WRITE)).result_message == "4 written"
    batches = spans.named(telemetry.SPAN_BATCH)
    assert [[ids(link.context) for link in batch.links] for batch in batches] == [written[:2], written[2:], []]
    assert [told(batch, telemetry.ROWS_READ) for batch in batches] == [2, 2, 0]


def test_a_run_of_a_retry_links_to_what_asked_for_the_first_time(site: Site, spans: Spans) -> None:
    site.enroll(rows=1)
    asked = []
    first_id = ""
    for _ in range(2):
        with _tracer.start_as_current_span("ask") as span:
            first_id = site.ask(trace_context=current_trace_context(), retry_of=first_id or None)
            asked.append(ids(span.get_span_context()))
        site.runner.run(site.claim())
    first, again = spans.named(telemetry.SPAN_RUN)
    assert (ids(first.parent), list(first.links)) == (asked[0], [])
    assert (ids(again.parent), [ids(link.context) for link in again.links]) == (asked[1], asked[:1])


async def test_a_worker_outside_links_to_what_asked_for_its_work(store: Store, spans: Spans) -> None:
    async with running_app(store, embedded_worker=False) as app, request_calls(app.address) as calls:
        await calls.create((await calls.enroll()).app_enrollment_id)
        await calls.write(await calls.lease(), 1, [row("a")])
        asked = await ended(app, spans, "SyncRequestService/CreateSyncRequest")
        wrote = await ended(app, spans, "SyncRequestService/WriteSyncRequestRows")
        leased = await ended(app, spans, "SyncRequestService/LeaseSyncRequest")
    for span in (wrote, leased):
        assert [ids(link.context) for link in span.links] == [ids(asked.get_span_context())]
    (written,) = store.get_records("dev", "note", ["a"])
    assert kept(written.trace_context) == ids(wrote.get_span_context())


def test_a_schedule_begins_a_trace_of_its_own(site: Site, spans: Spans) -> None:
    site.enroll(rows=1)
    enrollment = site.store.get_enrollment(ACCOUNT, ENROLLMENT_ID)
    scheduled = replace(
        enrollment,
        schedule=Schedule("0 0 29 2 *", "", 0, Operation.READ, run_full_sync=False),
        next_run_at=1,
        modified_at=2,
    )
    site.store.put_enrollment(ACCOUNT, scheduled, expected_modified_at=enrollment.modified_at)
    with _tracer.start_as_current_span("who looks at the time"):
        run_due_schedules(site.store, site.hints, now_us())
    schedule = only(spans, telemetry.SPAN_SCHEDULE)
    assert schedule.parent is None
    assert kept(site.claim().lease.trace_context) == ids(schedule.get_span_context())
