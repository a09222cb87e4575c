"""The store whose calls are spans."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from syncline.data import metrics, telemetry
from syncline.server.records import record_write
from syncline.storage import Store, open_store
from syncline.storage.errors import RequestNotFound, StoreUnavailable
from syncline.storage.trace_context import current_trace_context
from syncline.storage.traced import traced, traced_calls
from tests.harness.metrics import recorded_metrics
from tests.harness.server import NOTES, declare_notes
from tests.harness.spans import Spans, recorded_spans

_tracer = trace.get_tracer(__name__)
WRITES = [record_write(NOTES, {"id": key, "text": "private"}, modified_at=1) for key in ("a", "b")]


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded_spans() as spans:
        yield spans


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    declare_notes(store)
    return traced(store, "memory")


def only(spans: Spans, name: str) -> ReadableSpan:
    (span,) = spans.named(name)
    return span


def test_every_call_of_the_contract_is_traced(store: Store) -> None:
    calls = {name for name in dir(Store) if not name.startswith("_")} - {"check_version", "close"}
    assert traced_calls().keys() == calls
    assert all(traced_calls().values()), "each is about a table"
    assert all(callable(getattr(store, name)) for name in calls)


def test_a_call_is_a_span_in_that_of_its_caller(store: Store, spans: Spans) -> None:
    with _tracer.start_as_current_span("work") as work:
        store.write_records("dev", WRITES)
        store.get_records("dev", "note", ["a", "b", "c"])
    write, read = only(spans, "write_records record"), only(spans, "get_records record")
    assert write.parent == read.parent == work.get_span_context()
    assert write.kind is trace.SpanKind.CLIENT
    assert write.attributes == {
        telemetry.DB_SYSTEM_NAME: "memory",
        telemetry.DB_OPERATION_NAME: "write_records",
        telemetry.DB_COLLECTION_NAME: "record",
        telemetry.DB_OPERATION_BATCH_SIZE: 2,
    }
    assert read.attributes is not None
    assert read.attributes[telemetry.DB_RESPONSE_RETURNED_ROWS] == 2


def test_what_is_written_carries_the_context_of_the_work(store: Store, spans: Spans) -> None:
    with _tracer.start_as_current_span("work"):
        store.write_records("dev", WRITES)
        context = current_trace_context()
    assert {found.trace_context for found in store.get_records("dev", "note", ["a", "b"])} == {context}


def test_without_a_span_around_it_a_call_has_none(store: Store, spans: Spans) -> None:
    store.write_records("dev", WRITES)
    assert not spans.all()


def test_an_answer_is_no_error_of_the_store(store: Store, spans: Spans) -> None:
    with _tracer.start_as_current_span("work"), pytest.raises(RequestNotFound):
        store.get_request("dev", "none")
    span = only(spans, "get_request sync_request")
    assert span.attributes is not None
    assert span.attributes[telemetry.ERROR_TYPE] == "RequestNotFound"
    assert span.status.status_code is trace.StatusCode.UNSET
    assert not span.events


def test_a_store_that_fails_is_one(spans: Spans) -> None:
    store = open_store("postgresql://nobody@127.0.0.1:1/none")
    with _tracer.start_as_current_span("work"), pytest.raises(StoreUnavailable):
        traced(store, "postgresql").get_head("dev")
    store.close()
    assert only(spans, "get_head account").status.status_code is trace.StatusCode.ERROR


def test_every_call_is_measured_traced_or_not(store: Store) -> None:
    unavailable = traced(open_store("postgresql://nobody@127.0.0.1:1/none"), "postgresql")
    with recorded_metrics() as counted:
        store.write_records("dev", WRITES)
        store.get_head("dev")
        with pytest.raises(RequestNotFound):
            store.get_request("dev", "none")
        with pytest.raises(StoreUnavailable):
            unavailable.get_head("dev")
        assert counted.counts(metrics.STORE_CALL_DURATION) == {
            ("memory", "write_records", ""): 1,
            ("memory", "get_head", ""): 1,
            ("memory", "get_request", ""): 1,
            ("postgresql", "get_head", "StoreUnavailable"): 1,
        }
    unavailable.close()
