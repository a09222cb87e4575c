"""StartSession over a socket."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.server import tokens
from syncline.server.token_keys import Sealer
from syncline.v1 import queue_pb2
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, detail_of, error_of, keys, note, notes


async def test_an_empty_account_has_nothing_new(device: WireDevice) -> None:
    answer = await device.start()

    assert not answer.HasField("session")
    assert answer.account == "dev"
    assert answer.schema_version == 1
    assert answer.checkpoint.head_revision == 0
    assert answer.checkpoint.store_epoch == answer.store_epoch != ""
    assert [(feed.scope, feed.bucket) for feed in answer.feeds] == [("main", "")]


async def test_a_session_says_what_there_is(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(1_001))

    answer = await device.start()

    (queue,) = answer.session.queues
    assert (queue.name, queue.pages, queue.total_count, queue.total_count_is_estimate) == ("main", 2, 1_001, False)
    assert answer.session.expire_time.seconds > 0
    assert not answer.HasField("checkpoint")


async def test_always_starts_a_session_though_nothing_is_new(device: WireDevice) -> None:
    session_id = await device.start_id(always=True)

    (page,) = await device.read(session_id)

    assert page.checkpoint.store_epoch
    assert (page.page_number, page.count, page.page_ack_key) == (1, 0, "")


async def test_nothing_new_after_everything_is_acknowledged(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(3))
    assert keys(await device.sync()) == ["n0", "n1", "n2"]

    assert not (await device.start()).HasField("session")


async def test_positions_rewind_what_was_acknowledged(device: WireDevice, in_process_server: RunningApp) -> None:
    """A device file that is put back from a copy gets everything since the copy again."""
    store = in_process_server.store
    store.write_records("dev", [note("a")])
    (first,) = await device.sync()
    store.write_records("dev", [note("b")])
    assert keys(await device.sync(positions=first.feeds)) == ["b"]

    assert keys(await device.sync(positions=first.feeds)) == ["b"]


async def test_positions_of_nothing_new_are_taken_back(device: WireDevice) -> None:
    answer = await device.start()

    again = await device.start(positions=answer.feeds)

    assert again.feeds == answer.feeds


async def test_a_full_resync_loads_anew(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(2))
    (first,) = await device.sync()

    (again,) = await device.sync(positions=first.feeds, full_resync=True)

    assert keys([again]) == ["n0", "n1"]
    assert again.feeds[0].load != first.feeds[0].load


async def test_acknowledgements_from_before_a_full_resync_hide_nothing(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    in_process_server.store.write_records("dev", notes(2))
    (abandoned,) = await device.read(await device.start_id())
    session_id = await device.start_id(full_resync=True)

    late = await device.acknowledge(abandoned.page_ack_key)

    assert (late.acknowledged, late.stale) == (0, 1)
    assert keys(await device.read(session_id)) == ["n0", "n1"]
    assert (await device.start()).session.queues[0].total_count == 2


async def test_a_position_of_another_history_needs_a_resync(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(1))
    (page,) = await device.sync()
    store.renew_store_epoch("dev")

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await device.start(positions=page.feeds)

    assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")


async def test_a_position_beyond_the_head_needs_a_resync_of_its_feed(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(1))
    await device.sync()
    (position,) = store.list_positions("dev", device.uuid)
    beyond = queue_pb2.FeedPosition(
        scope="main",
        position=tokens.encode_position(
            Sealer(in_process_server.environment.token_keys, "dev", device.uuid),
            position,
            store_epoch=store.get_head("dev").store_epoch,
            revision=99,
        ),
    )

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await device.start(positions=[beyond])

    assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")
    (violation,) = detail_of(caught.value, error_details_pb2.PreconditionFailure).violations
    assert violation.subject == "main/"


async def test_an_unknown_scope_is_named(device: WireDevice) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await device.start(scopes=["main", "nowhere"])

    assert error_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "SCOPE_NOT_FOUND")
    assert detail_of(caught.value, error_details_pb2.ResourceInfo).resource_name == "nowhere"


async def test_filters_choose_among_granted_buckets(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.register_device("dev", device.uuid, now=1)
    store.grant_buckets("dev", device.uuid, ["red", "blue"])
    store.write_records("dev", [note("r", bucket="red"), note("b", bucket="blue"), note("d")])

    pages = await device.sync(filters=[{"scope": "main", "buckets": ["red", "not granted"]}])

    assert keys(pages) == ["r"]
    assert sorted(keys(await device.sync())) == ["b", "d"]


async def test_g5_checkpoint_lists_every_feed_at_the_head(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.register_device("dev", device.uuid, now=1)
    store.grant_buckets("dev", device.uuid, ["red"])
    head = store.write_records("dev", [note("d"), note("r", bucket="red")]).head_revision

    pages = await device.read(await device.start_id(), page_size=1)

    assert [len(page.feeds) for page in pages] == [1, 2]
    assert [page.HasField("checkpoint") for page in pages] == [False, True]
    assert pages[-1].checkpoint.head_revision == head
    again = await device.start(positions=pages[-1].feeds)
    assert not again.HasField("session")


async def test_a_mixed_up_position_is_a_new_load(device: WireDevice, in_process_server: RunningApp) -> None:
    """A token names no feed; its grant tells that it was of another bucket."""
    store = in_process_server.store
    store.register_device("dev", device.uuid, now=1)
    store.grant_buckets("dev", device.uuid, ["red"])
    store.write_records("dev", [note("d"), note("r", bucket="red")])
    pages = await device.sync()
    red = next(feed for feed in pages[-1].feeds if feed.bucket == "red")

    mixed = queue_pb2.FeedPosition(scope="main", bucket="", load=red.load, position=red.position)

    assert keys(await device.sync(positions=[mixed, red])) == ["d"]
