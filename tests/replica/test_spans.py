"""Spans of a device file: synchronisations, and local changes that remember where they were made."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from syncline.client import SyncError
from syncline.data import telemetry
from syncline.data.trace_context import decode
from syncline.replica import AsyncReplica, Replica
from syncline.replica.layout import FORMAT_VERSION
from tests.harness.spans import Spans, recorded_spans
from tests.replica.local.device import Device
from tests.replica.serving import ServedStore, number_notes, write_notes

_tracer = trace.get_tracer(__name__)


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded_spans() as spans:
        yield spans


@pytest.fixture
def replica(path: Path, server: ServedStore) -> Iterator[Replica]:
    """A device that has synchronised once, of which nobody made spans."""
    write_notes(server.store, number_notes(3))
    with Replica.open(path, server.address) as replica:
        replica.sync()
        yield replica


def ids(context: trace.SpanContext | None) -> tuple[int, int] | None:
    return None if context is None else (context.trace_id, context.span_id)


def own_ids(span: ReadableSpan) -> tuple[int, int] | None:
    return ids(span.get_span_context())


def kept(path: Path) -> list[tuple[int, int] | None]:
    """What is kept with each local change, in their order."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT trace_context FROM syncline_change ORDER BY change_no").fetchall()
    return [None if text is None else decode(text) for (text,) in rows]


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another thread brings about; pytest's timeout ends a wait for ever."""
    while not holds():
        time.sleep(0.001)


def only(spans: Spans, name: str) -> ReadableSpan:
    (span,) = spans.named(name)
    return span


def test_a_synchronisation_is_one_trace_on_both_sides(replica: Replica, server: ServedStore, spans: Spans) -> None:
    server.write({"new": "x"})
    replica.sync()
    sync, apply = only(spans, telemetry.SPAN_SYNC), only(spans, telemetry.SPAN_PAGE_APPLY)
    assert sync.parent is None
    assert ids(apply.parent) == ids(only(spans, telemetry.SPAN_ACKNOWLEDGE).parent) == own_ids(sync)
    assert apply.attributes == {telemetry.PAGE_NUMBER: 1, telemetry.ITEMS: 1, telemetry.IS_CHECKPOINT: True}
    assert len({trace_id for trace_id, _ in filter(None, map(own_ids, spans))}) == 1


def test_a_synchronisation_that_fails_says_so(path: Path, spans: Spans) -> None:
    with Replica.open(path, "127.0.0.1:1") as replica, pytest.raises(SyncError):
        replica.sync()
    assert only(spans, telemetry.SPAN_SYNC).status.status_code is trace.StatusCode.ERROR


def test_a_watch_leaves_the_span_of_its_caller_alone(replica: Replica, server: ServedStore, spans: Spans) -> None:
    with _tracer.start_as_current_span("app") as app, closing(replica.watch()) as watching:
        next(watching)
        assert trace.get_current_span() is app
        replica.objects("note").update_by_pk("00000", {"text": "mine"})
        until(lambda: bool(spans.named(telemetry.SPAN_UPLOAD_MESSAGE)))
        server.write({"theirs": "x"})
        while not replica.query("SELECT 1 FROM note WHERE id = 'theirs'"):
            next(watching)
        until(lambda: bool(spans.named(telemetry.SPAN_ACKNOWLEDGE)))
    sync = only(spans, telemetry.SPAN_SYNC)
    assert ids(sync.parent) == own_ids(only(spans, "app"))
    for name in (telemetry.SPAN_PAGE_APPLY, telemetry.SPAN_ACKNOWLEDGE, telemetry.SPAN_UPLOAD_MESSAGE):
        assert {ids(span.parent) for span in spans.named(name)} == {own_ids(sync)}
    assert ids(only(spans, telemetry.SPAN_WRITE).parent) == own_ids(only(spans, "app"))


def test_a_change_keeps_the_context_of_its_local_transaction(replica: Replica, path: Path, spans: Spans) -> None:
    notes = replica.objects("note")
    with replica.transaction():
        notes.update_by_pk("00000", {"text": "x"})
        notes.delete_by_pk("00001")
    notes.update_by_pk("00002", {"text": "x"})
    first, second = spans.named(telemetry.SPAN_WRITE)
    assert kept(path) == [own_ids(first), own_ids(first), own_ids(second)]


async def test_work_of_an_event_loop_is_of_the_trace_that_it_was_asked_for_in(
    path: Path, server: ServedStore, spans: Spans
) -> None:
    async with AsyncReplica.open(path, server.address) as replica:
        await replica.sync()
        notes = replica.objects("note")
        with _tracer.start_as_current_span("app") as app:
            await notes.create({"id": "a"})
            async with replica.transaction():
                await notes.create({"id": "b"})
                async with replica.transaction():
                    await notes.create({"id": "c"})
            async with aclosing(replica.watch()) as reports:
                await anext(reports)
            assert trace.get_current_span() is app
    writes = spans.named(telemetry.SPAN_WRITE)
    _, watch = spans.named(telemetry.SPAN_SYNC)
    assert {ids(span.parent) for span in (*writes, watch)} == {own_ids(only(spans, "app"))}
    first, second = map(own_ids, writes)
    links = [ids(link.context) for span in spans.named(telemetry.SPAN_UPLOAD_MESSAGE) for link in span.links]
    assert links == [first, second]


def test_updates_that_became_one_keep_the_context_of_the_last(path: Path, spans: Spans) -> None:
    with closing(Device(path)) as device:
        device.receive(("draft", "d1", {"a": "one"}))
        device.update("draft", "d1", {"a": "two"})
        device.update("draft", "d1", {"b": "three"})
    assert kept(path) == [own_ids(spans.named(telemetry.SPAN_WRITE)[1])]


def test_without_spans_nothing_is_kept(replica: Replica, path: Path) -> None:
    replica.objects("note").update_by_pk("00000", {"text": "x"})
    assert kept(path) == [None]


def test_a_message_links_to_where_its_changes_were_made(replica: Replica, server: ServedStore, spans: Spans) -> None:
    notes = replica.objects("note")
    for key in ("00000", "00001"):
        notes.update_by_pk(key, {"text": "x"})
    with replica.transaction():
        notes.create({"id": "a", "text": "x"})
        notes.create({"id": "b", "text": "x"})
    replica.sync()
    message = only(spans, telemetry.SPAN_UPLOAD_MESSAGE)
    writes = spans.named(telemetry.SPAN_WRITE)
    assert len(writes) == 3  # what becomes of changes is noted without one
    assert {ids(link.context) for link in message.links} == {own_ids(write) for write in writes}
    assert len(message.links) == 3
    assert message.attributes == {telemetry.CHANGES: 4, f"{telemetry.VERDICT_PREFIX}applied": 4}
    decided = only(spans, telemetry.SPAN_UPLOAD)
    rows = server.store.get_records("dev", "note", ["00000", "a"])
    assert [decode(row.trace_context or "") for row in rows] == [own_ids(decided)] * 2


def test_a_message_tells_what_became_of_its_changes(replica: Replica, server: ServedStore, spans: Spans) -> None:
    replica.objects("note").create({"id": "a"})
    replica.objects("note").create({"id": "b"})
    write_notes(server.store, {"a": "somebody else's"})
    replica.push()
    message = only(spans, telemetry.SPAN_UPLOAD_MESSAGE)
    counts = {f"{telemetry.VERDICT_PREFIX}applied": 1, f"{telemetry.VERDICT_PREFIX}server_won": 1}
    assert message.attributes == {telemetry.CHANGES: 2} | counts


def test_a_message_that_is_not_answered_ends_its_span(replica: Replica, server: ServedStore, spans: Spans) -> None:
    replica.objects("note").update_by_pk("00000", {"text": "x"})
    server.store.renew_store_epoch("dev")
    replica.sync()
    assert {ids(span.parent) for span in spans.named(telemetry.SPAN_UPLOAD_MESSAGE)} == {
        own_ids(only(spans, telemetry.SPAN_SYNC))
    }


async def test_a_task_is_the_parent_of_what_it_synchronises(path: Path, server: ServedStore, spans: Spans) -> None:
    async with AsyncReplica.open(path, server.address) as replica:
        with _tracer.start_as_current_span("task"):
            await replica.sync()
        async with replica.transaction():
            await replica.objects("note").create({"id": "a"})
    assert ids(only(spans, telemetry.SPAN_SYNC).parent) == own_ids(only(spans, "task"))
    assert kept(path) == [own_ids(only(spans, telemetry.SPAN_WRITE))]


def test_a_file_of_the_second_format_keeps_its_changes(replica: Replica, server: ServedStore, path: Path) -> None:
    replica.objects("note").update_by_pk("00000", {"text": "mine"})
    replica.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE syncline_change DROP COLUMN trace_context")
        connection.execute("PRAGMA user_version = 2")
    with Replica.open(path, server.address) as opened:
        assert kept(path) == [None]
        report = opened.push()
        assert (report.total, report.rejected) == (1, [])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT_VERSION,)
