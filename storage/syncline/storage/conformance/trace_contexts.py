"""Where records and requests come from: the context of the span in which they were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from opentelemetry import context, trace

from syncline.storage.conformance.reference_device import refuse_everything
from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.tenant import Tenant, record, removal
from syncline.storage.conformance.uploader import Uploader
from syncline.storage.models import FeedItem


@contextmanager
def in_span(*, sampled: bool = True) -> Iterator[str]:
    """What is done in the block is done in a span; its context as text."""
    number = uuid4().int
    trace_id, span_id = number, number >> 70
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else trace.TraceFlags.DEFAULT)
    span = trace.NonRecordingSpan(trace.SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags))
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield f"00-{trace_id:032x}-{span_id:016x}-01"
    finally:
        context.detach(token)


def kept(tenant: Tenant, key: str) -> str | None:
    """The context that is kept with a record."""
    (found,) = tenant.store.get_records(tenant.account_id, "note", [key])
    return found.trace_context


def shown(tenant: Tenant) -> dict[str, FeedItem]:
    """What a new device is shown, by key."""
    device_uuid = tenant.register()
    read = tenant.read(device_uuid, tenant.session(device_uuid))
    return {item.key: item for each in read.slices for item in each.items}


class TraceContextConformance:
    """`Record.trace_context`, `FeedItem.trace_context`, `SyncRequest.trace_context`."""

    def test_a_record_keeps_the_context_that_it_was_written_in(self, tenant: Tenant) -> None:
        with in_span() as first:
            tenant.write(*(record(f"k{number}") for number in range(60)))
        assert {kept(tenant, "k0"), kept(tenant, "k59")} == {first}
        with in_span() as second:
            tenant.write(record("k0", b"2"), record("k1"))
        assert kept(tenant, "k0") == second
        assert kept(tenant, "k1") == first  # it was written, but is as it was

    def test_without_a_sampled_span_there_is_none(self, tenant: Tenant) -> None:
        with in_span():
            tenant.write(record("a"), record("b"))
        tenant.put("a", b"2")
        with in_span(sampled=False):
            tenant.put("b", b"2")
        assert (kept(tenant, "a"), kept(tenant, "b")) == (None, None)

    def test_a_queue_shows_it_with_the_record(self, tenant: Tenant) -> None:
        device_uuid = tenant.register()
        with in_span() as first:
            tenant.write(record("a"), record("b"))
        session = tenant.session(device_uuid)
        with in_span() as second:
            tenant.write(removal("a"))
        tenant.put("c")
        read = tenant.read(device_uuid, session)
        contexts = {item.key: item.trace_context for each in read.slices for item in each.items}
        assert contexts == {"a": second, "b": first, "c": None}

    def test_an_item_that_is_shown_again_has_it_too(self, tenant: Tenant) -> None:
        device = tenant.device()
        with in_span() as context_text:
            tenant.put("a")
        device.sync(refuses=refuse_everything)
        device.start()
        assert [again.item.trace_context for again in device.read().redelivered] == [context_text]

    def test_a_change_of_a_device_leaves_it(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        with in_span() as context_text:
            device.send(device.insert("k", {"a": 1}))
        assert kept(tenant, "k") == context_text
        assert shown(tenant)["k"].trace_context == context_text

    def test_a_row_of_a_sync_request_leaves_it(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        with in_span() as context_text:
            desk.write(lease, row("s1", {"a": 1}, key="k"))
        assert kept(tenant, "k") == context_text
        with in_span():
            desk.write(lease, row("s1", {"a": 1}, key="k"), number=2)
        assert kept(tenant, "k") == context_text

    def test_a_request_keeps_the_one_that_it_was_asked_for_in(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        request = desk.ask(trace_context="of its asker")
        assert request.trace_context == "of its asker"
        assert tenant.store.get_request(tenant.account_id, request.request_id).trace_context == "of its asker"
        assert desk.ask().trace_context is None

    def test_whoever_claims_a_request_learns_it(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease(trace_context="of its asker")
        assert lease.trace_context == "of its asker"
        assert desk.end(lease).trace_context == "of its asker"

    def test_a_parent_has_that_of_its_first_batch(self, tenant: Tenant) -> None:
        desk, parent_id = Desk(tenant), str(uuid4())
        for number in (1, 2):
            desk.ask(parent_id=parent_id, current_batch=number, total_batches=2, trace_context=f"of batch {number}")
        assert tenant.store.get_request(tenant.account_id, parent_id).trace_context == "of batch 1"
