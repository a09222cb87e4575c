"""What a server counts of queues, uploads and hints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from syncline.data import metrics
from syncline.server.environment import now_us
from syncline.server.notify import LocalNotifier
from syncline.server.records import record_write
from syncline.storage import Store, open_store
from syncline.storage.models import RecordWrite
from tests.harness.metrics import Metrics, recorded_metrics
from tests.harness.postgres import PostgresServer
from tests.harness.server import NOTES, RunningApp, declare_notes, running_app
from tests.harness.wire import PageStream, WireDevice, keys, next_page, note, notes, wire_device
from tests.service.test_postgres_notify import following, hinted_app, until_listening
from tests.service.uploading import delete, insert, open_uploading_store, update, upload_once, verdicts

BY_STREAM = ("syncline.v1.SyncService/ReadQueue",)
BY_FETCH = ("syncline.v1.SyncService/FetchQueue",)


@pytest.fixture
def counted() -> Iterator[Metrics]:
    with recorded_metrics() as counted:
        yield counted


def written(key: str, *, seconds_ago: float = 0) -> RecordWrite:
    """A note that is as old as that."""
    return record_write(NOTES, {"id": key}, modified_at=now_us() - int(seconds_ago * 1_000_000))


async def news(app: RunningApp, stream: PageStream, *writes: RecordWrite) -> str:
    """Write the records; the key of their page, which a live stream brings."""
    app.store.write_records("dev", list(writes))
    app.wake()
    page = await next_page(stream)
    assert len(keys([page])) == len(writes)
    return page.page_ack_key


# Queues


async def test_items_are_counted_by_how_they_are_handed_out(
    device: WireDevice, in_process_server: RunningApp, counted: Metrics
) -> None:
    in_process_server.store.write_records("dev", notes(5))
    await device.sync(always=True)
    other = WireDevice(device.channel)
    session_id = await other.start_id()
    await other.fetch(session_id, page_size=3)
    await other.fetch(session_id, page_size=3)
    await other.fetch(session_id, page_size=3)  # an empty one

    assert counted.counts(metrics.QUEUE_ITEMS) == {BY_STREAM: 5, BY_FETCH: 5}


async def test_the_time_to_the_acknowledgement_is_that_of_live_pages(
    device: WireDevice, in_process_server: RunningApp, counted: Metrics
) -> None:
    in_process_server.store.write_records("dev", [written("of long ago", seconds_ago=10_000)])
    async with following(device) as stream:
        first = await news(in_process_server, stream, written("a", seconds_ago=500), written("b", seconds_ago=100))
        second = await news(in_process_server, stream, written("c", seconds_ago=100))
        assert counted.counts(metrics.DELIVERY_LATENCY) == {}

        await device.acknowledge(second)
        await device.acknowledge(first, second)
        await device.acknowledge(first)

        assert counted.counts(metrics.DELIVERY_LATENCY) == {(): 2}
        assert 200 <= counted.sum(metrics.DELIVERY_LATENCY) < 400


async def test_pages_of_a_load_tell_no_time_to_the_acknowledgement(
    device: WireDevice, in_process_server: RunningApp, counted: Metrics
) -> None:
    in_process_server.store.write_records("dev", notes(3))
    await device.sync()
    assert counted.counts(metrics.DELIVERY_LATENCY) == {}


async def test_wake_ups_are_measured_once_for_each_read_that_had_something(
    device: WireDevice, in_process_server: RunningApp, counted: Metrics
) -> None:
    async with following(device) as stream:
        await news(in_process_server, stream, note("a"))
        in_process_server.store.write_records("dev", [note("not seen", bucket="red")])
        in_process_server.wake()
        await news(in_process_server, stream, note("b"), note("c"))

        assert counted.counts(metrics.WAKEUP_LATENCY) == {(): 2}
        assert 0 < counted.sum(metrics.WAKEUP_LATENCY) < 60


async def test_a_hint_about_what_has_been_read_begins_no_wake_up(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    notifier = in_process_server.environment.notifier
    assert isinstance(notifier, LocalNotifier)
    async with following(device) as stream:
        await news(in_process_server, stream, note("a"))
        (listener,) = notifier._listeners["dev"][device.uuid]
        in_process_server.wake()
        await in_process_server.until(lambda: listener.head_revision > 0 and not listener._woken.is_set())
        assert listener.told_at is None


# Uploads


@pytest.fixture
def uploading_store(store_url: str) -> Iterator[Store]:
    with open_uploading_store(store_url) as store:
        yield store


async def test_changes_and_conflicts_are_counted_by_what_became_of_them(
    uploading_store: Store, counted: Metrics
) -> None:
    async with running_app(uploading_store) as app, wire_device(app.address) as device:
        await upload_once(
            WireDevice(device.channel), insert(1, "a", text="theirs"), insert(2, "s", "strict", text="theirs")
        )
        seen = {"text": "old"}
        answers = await upload_once(
            device,
            insert(1, "b", text="mine"),
            update(2, "a", seen=seen, text="mine"),
            update(3, "a", seen=seen, text="mine", stars=1),
            update(4, "s", "strict", seen=seen, text="mine"),
            delete(5, "s", "strict", seen=seen),
        )

    assert verdicts(answers) == ["APPLIED", "SERVER_WON", "MERGED", "CONFLICT_REFUSED", "HELD"]
    wanted = {("applied",): 3, ("server_won",): 1, ("merged",): 1, ("rejected",): 1, ("held",): 1}
    assert counted.counts(metrics.UPLOAD_CHANGES) == wanted
    assert counted.counts(metrics.CONFLICTS) == {
        ("merge_fields", "server_won"): 1,
        ("merge_fields", "merged"): 1,
        ("reject", "rejected"): 1,
    }


# Hints


async def test_hints_between_processes_are_counted_at_both_ends(
    postgres_url: str, postgres_server: PostgresServer, counted: Metrics
) -> None:
    with closing(open_store(postgres_url)) as store:
        declare_notes(store)
        async with (
            hinted_app(postgres_url) as one,
            hinted_app(postgres_url) as two,
            wire_device(one.address) as device,
            following(device) as stream,
        ):
            await until_listening(postgres_url, 2)
            before = counted.counts(metrics.NOTIFICATIONS_RECEIVED)
            await news(two, stream, note("a"))
            assert counted.counts(metrics.NOTIFICATIONS_RECEIVED)[()] > before.get((), 0)
            sent, received = counted.counts(metrics.NOTIFICATIONS_SENT), counted.counts(metrics.NOTIFICATIONS_RECEIVED)
            assert sent[()] >= received[()]
            assert counted.counts(metrics.NOTIFICATION_RECONNECTS) == {}

            postgres_server.cut_connections(postgres_url)
            await two.until(lambda: counted.counts(metrics.NOTIFICATION_RECONNECTS).get(("receive",), 0) >= 2)
            two.wake()
            await two.until(lambda: ("send",) in counted.counts(metrics.NOTIFICATION_RECONNECTS))
