"""ExplainDelivery names the step at which a record stands: each step, made by what really leads to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from syncline.server.environment import now_us
from syncline.storage import Store
from syncline.storage.conformance.trace_contexts import in_span
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import WireDevice, delete_note, next_page, note, notes, wire_device
from tests.service.explaining import delete_step, explain, step
from tests.service.requesting import RequestCalls, bad_fields, row
from tests.service.test_rejections import rejection
from tests.service.uploading import insert, open_uploading_store, update, upload_once, verdicts

DAY_US = 86_400_000_000


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_uploading_store(store_url) as store:
        yield store


@pytest.fixture
async def server(store: Store) -> AsyncIterator[RunningApp]:
    async with running_app(store, embedded_worker=False) as server:
        yield server


@pytest.fixture
async def device(server: RunningApp) -> AsyncIterator[WireDevice]:
    async with wire_device(server.address) as device:
        yield device


async def test_what_is_acknowledged_is_on_the_device(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(2))
    await device.sync()

    explained = await explain(device.channel, device.uuid)

    assert (step(explained), explained.acknowledged, explained.revision) == ("ON_DEVICE", True, 1)
    assert (explained.scope, explained.bucket, explained.acknowledged_through) == ("main", "", 2)
    assert not explained.HasField("since_time")
    assert explained.HasField("last_contact_time")


async def test_what_there_is_not(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(1))
    await device.start()

    assert step(await explain(device.channel, device.uuid, object_type="nothing")) == "TYPE_UNKNOWN"
    assert step(await explain(device.channel, uuid4())) == "NO_SUCH_DEVICE"
    assert step(await explain(device.channel, device.uuid, "n1")) == "NO_SUCH_RECORD"


async def test_a_device_that_stopped_was_not_seen_since(store: Store, server: RunningApp) -> None:
    yesterday, device_uuid = now_us() - DAY_US, uuid4()
    store.register_device("dev", device_uuid, now=yesterday)
    store.write_records("dev", [note("n0")._replace(modified_at=now_us())])

    async with wire_device(server.address) as caller:
        explained = await explain(caller.channel, device_uuid)

    assert (step(explained), explained.acknowledged) == ("DEVICE_NOT_SEEN", False)
    assert explained.since_time.ToMicroseconds() == explained.last_contact_time.ToMicroseconds() == yesterday


async def test_what_the_device_has_not_read_is_newer_than_its_position(store: Store, device: WireDevice) -> None:
    changed_at = now_us()
    store.write_records("dev", notes(1))
    await device.sync()
    store.write_records("dev", [note("n0", "2")._replace(modified_at=changed_at)])

    explained = await explain(device.channel, device.uuid)

    assert (step(explained), explained.revision, explained.acknowledged_through) == ("NEWER_THAN_POSITION", 2, 1)
    assert explained.since_time.ToMicroseconds() == changed_at
    assert "the device has an older state of the record" in explained.facts


async def test_a_page_of_a_live_stream_is_delivered_and_not_acknowledged(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(1))
    session_id = await device.start_id()
    stream = device.stream(session_id, follow=True)
    page = await next_page(stream)

    delivered = await explain(device.channel, device.uuid)
    await device.acknowledge(page.page_ack_key)
    acknowledged = await explain(device.channel, device.uuid)
    stream.cancel()

    assert (step(delivered), delivered.session_id) == ("DELIVERED_NOT_ACKNOWLEDGED", session_id)
    assert step(acknowledged) == "ON_DEVICE"


async def test_a_fetched_page_is_delivered_and_not_acknowledged(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(2))
    session_id = await device.start_id()
    await device.fetch(session_id, page_size=1)

    delivered, waits = [await explain(device.channel, device.uuid, key) for key in ("n0", "n1")]

    assert (step(delivered), delivered.session_id) == ("DELIVERED_NOT_ACKNOWLEDGED", session_id)
    assert step(waits) == "NEWER_THAN_POSITION"


async def test_what_was_passed_over_is_a_hole(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(3))
    pages = await device.read(await device.start_id(), page_size=1)
    await device.acknowledge(*(page.page_ack_key for page in pages[1:]))

    steps = [step(await explain(device.channel, device.uuid, f"n{number}")) for number in range(3)]

    assert steps == ["HOLE", "ON_DEVICE", "ON_DEVICE"]


async def test_what_the_device_cannot_take_is_rejected_then_parked(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(2))
    explained = []
    for _ in range(5):
        pages = await device.read(await device.start_id())
        await device.acknowledge(*(page.page_ack_key for page in pages), rejections=[rejection("n0", 1)])
        explained.append(await explain(device.channel, device.uuid))
    store.write_records("dev", [note("n0", "better")])
    better = await explain(device.channel, device.uuid)

    assert [step(one) for one in explained] == ["REJECTED"] * 4 + ["PARKED"]
    assert {(one.reason, one.acknowledged) for one in explained} == {("too odd", False)}
    assert all(one.HasField("since_time") for one in explained)
    assert step(better) == "NEWER_THAN_POSITION"


async def test_what_is_in_another_bucket_is_not_granted(store: Store, device: WireDevice) -> None:
    store.write_records("dev", [note("n0", bucket="north"), note("n1")])
    await device.start()
    before = await explain(device.channel, device.uuid)
    store.grant_buckets("dev", device.uuid, ["north"])
    await device.sync()
    granted = await explain(device.channel, device.uuid)
    store.revoke_buckets("dev", device.uuid, ["north"])
    revoked = await explain(device.channel, device.uuid)
    store.grant_buckets("dev", device.uuid, ["north"])
    anew = await explain(device.channel, device.uuid)
    store.write_records("dev", [note("n1", bucket="south")])
    moved = await explain(device.channel, device.uuid, "n1")

    assert [step(one) for one in (before, granted, revoked, anew, moved)] == [
        "NOT_GRANTED",
        "ON_DEVICE",
        "NOT_GRANTED",
        "NEWER_THAN_POSITION",
        "NOT_GRANTED",
    ]
    assert (revoked.bucket, revoked.HasField("since_time"), moved.HasField("since_time")) == ("north", False, True)
    assert "it left the bucket '' at revision 3, which the device was not told yet" in moved.facts


async def test_a_device_that_was_away_for_too_long_has_expired(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(1))
    await device.sync()
    store.write_records("dev", [note("n0", "2")])
    store.collect("dev", devices_seen_before=now_us() + DAY_US, now=now_us())

    assert step(await explain(device.channel, device.uuid)) == "DEVICE_EXPIRED"


async def test_a_delete_says_whether_the_device_knows(store: Store, device: WireDevice) -> None:
    store.write_records("dev", notes(1))
    await device.sync()
    store.write_records("dev", [delete_note("n0")])
    waits = await explain(device.channel, device.uuid)
    await device.sync()
    knows = await explain(device.channel, device.uuid)

    assert [(step(one), delete_step(one)) for one in (waits, knows)] == [
        ("DELETED", "NEWER_THAN_POSITION"),
        ("DELETED", "ON_DEVICE"),
    ]
    assert (waits.acknowledged, knows.acknowledged) == (False, True)


async def test_a_change_that_was_refused_is_a_rejected_change(store: Store, device: WireDevice) -> None:
    answers = await upload_once(device, insert(1, "n0", "locked", text="mine"))
    assert verdicts(answers) == ["TYPE_READ_ONLY"]

    explained = await explain(device.channel, device.uuid, object_type="locked")

    assert step(explained) == "REJECTED_CHANGE"
    assert explained.reason == answers[0].status.message
    assert explained.HasField("since_time")


async def test_a_refused_change_is_history_once_the_record_changes(store: Store, device: WireDevice) -> None:
    record = note("n0")._replace(object_type="strict")
    store.write_records("dev", [record])
    await device.sync()
    await upload_once(device, update(1, "n0", "strict", seen={"text": "never"}, text="mine", _base_revision=0))
    refused = await explain(device.channel, device.uuid, object_type="strict")
    store.write_records("dev", [note("n0", "2")._replace(object_type="strict", modified_at=now_us())])
    await device.sync()
    after = await explain(device.channel, device.uuid, object_type="strict")

    assert (step(refused), refused.acknowledged) == ("REJECTED_CHANGE", True)
    assert step(after) == "ON_DEVICE"


async def test_what_a_sync_request_has_to_bring_is_in_it(store: Store, device: WireDevice) -> None:
    calls = RequestCalls(device.channel)
    await device.start()
    made = await calls.load([row("n0"), row("n1", text=3)])
    waits = await explain(device.channel, device.uuid)
    async with running_app(store):  # with a worker
        await calls.ended(made.sync_request_id)
    loaded = await explain(device.channel, device.uuid)
    refused = await explain(device.channel, device.uuid, "n1")

    assert [step(one) for one in (waits, loaded, refused)] == [
        "IN_SYNC_REQUEST",
        "NEWER_THAN_POSITION",
        "IN_SYNC_REQUEST",
    ]
    assert waits.sync_request_id == refused.sync_request_id == made.sync_request_id
    assert (refused.reason != "", loaded.sync_request_id) == (True, "")


async def test_a_source_that_failed_is_named(store: Store, device: WireDevice) -> None:
    calls = RequestCalls(device.channel)
    await device.start()
    enrollment = await calls.enroll("books")
    await calls.create(enrollment.app_enrollment_id)
    await calls.run_outside("SUCCESS", [row("n1")])
    assert step(await explain(device.channel, device.uuid)) == "NO_SUCH_RECORD"
    failed = await calls.create(enrollment.app_enrollment_id)
    lease = await calls.lease()
    await calls.end(lease, "FAILED", "the books are closed")

    explained = await explain(device.channel, device.uuid)

    assert (step(explained), explained.sync_request_id) == ("IN_SYNC_REQUEST", failed.sync_request_id)
    assert explained.reason == "the books are closed"
    assert any("of books is FAILED" in fact for fact in explained.facts)


async def test_the_trace_that_a_record_was_written_in(store: Store, device: WireDevice) -> None:
    await device.start()
    with in_span() as trace_context:
        store.write_records("dev", notes(1))

    assert (await explain(device.channel, device.uuid)).trace_id == trace_context.split("-")[1]


async def test_a_question_that_breaks_a_rule_is_refused(device: WireDevice) -> None:
    assert await bad_fields(explain(device.channel, "nobody", "\x00", "")) == ["object_type", "key", "device_uuid"]


@pytest.mark.parametrize("services", ["sync", "sync-request"])
async def test_any_server_may_be_asked(store: Store, services: str) -> None:
    async with running_app(store, services=services) as server, wire_device(server.address) as caller:
        assert step(await explain(caller.channel, uuid4())) == "NO_SUCH_DEVICE"
