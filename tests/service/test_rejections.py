"""G7 no poison: items that a device cannot take, sent again, parked, put back."""

from __future__ import annotations

from syncline.v1 import queue_pb2, sync_service_pb2
from tests.harness.server import RunningApp
from tests.harness.wire import WireDevice, keys, note, notes

WAITING = queue_pb2.FailedObject.STATE_WAITING
PARKED = queue_pb2.FailedObject.STATE_PARKED


def rejection(key: str, revision: int, reason: str = "too odd") -> sync_service_pb2.Rejection:
    return sync_service_pb2.Rejection(object_type="note", key=key, revision=revision, reason=reason)


async def reject(device: WireDevice, key: str, revision: int) -> list[queue_pb2.QueuePage]:
    """A session that takes all but one item."""
    pages = await device.read(await device.start_id())
    await device.acknowledge(*(page.page_ack_key for page in pages), rejections=[rejection(key, revision)])
    return pages


async def test_g7_no_poison_a_rejected_item_holds_up_nobody(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(3))
    (page,) = await device.read(await device.start_id())

    answer = await device.acknowledge(page.page_ack_key, rejections=[rejection("n1", 2)])

    (failed,) = answer.failed_objects
    assert (failed.object_type, failed.key, failed.revision, failed.reason) == ("note", "n1", 2, "too odd")
    assert (failed.state, failed.rejections) == (WAITING, 1)
    again = await device.read(await device.start_id())
    assert keys(again) == ["n1"]
    (segment,) = again[0].segments
    assert (segment.redelivered, segment.from_revision, segment.to_revision) == (True, 0, 0)
    assert [failed.key for failed in again[0].failed_objects] == ["n1"]


async def test_g7_no_poison_a_redelivered_item_ends_by_its_acknowledgement(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    in_process_server.store.write_records("dev", notes(2))
    await reject(device, "n0", 1)
    (again,) = await device.read(await device.start_id(), item_ack_keys=True)

    taken = await device.acknowledge(*again.segments[0].item_ack_keys)

    assert (taken.acknowledged, taken.stale) == (1, 0)
    assert (await device.acknowledge(again.page_ack_key)).stale == 1
    assert not (await device.start()).HasField("session")


async def test_g7_no_poison_parked_after_five_and_put_back(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(2))
    for _ in range(5):
        await reject(device, "n1", 2)

    parked = await device.start()

    assert not parked.HasField("session")
    assert [(failed.key, failed.state, failed.rejections) for failed in parked.failed_objects] == [("n1", PARKED, 5)]
    store.write_records("dev", [note("n0", "new")])
    (page,) = await device.read(await device.start_id())
    assert keys([page]) == ["n0"]
    assert [failed.state for failed in page.failed_objects] == [PARKED]
    assert store.put_back("dev", device.uuid, [("note", "n1")]) == 1
    assert keys(await device.sync()) == ["n1", "n0"]
    assert not (await device.start()).failed_objects


async def test_g7_no_poison_an_item_refused_in_this_session_waits_for_the_next(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    in_process_server.store.write_records("dev", notes(2))
    session_id = await device.start_id()
    (page,) = await device.read(session_id)
    await device.acknowledge(page.page_ack_key, rejections=[rejection("n0", 1)])

    (same_session,) = await device.read(session_id)

    assert not any(segment.redelivered for segment in same_session.segments)
    assert keys(await device.read(await device.start_id())) == ["n0"]


async def test_a_change_of_a_rejected_item_comes_in_its_feed(device: WireDevice, in_process_server: RunningApp) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(2))
    await reject(device, "n1", 2)
    store.write_records("dev", [note("n1", "mended")])

    pages = await device.sync()

    assert keys(pages) == ["n1"]
    assert not pages[0].segments[0].redelivered
    assert not (await device.start()).failed_objects


async def test_redelivered_items_come_first_in_pages_of_their_own(
    device: WireDevice, in_process_server: RunningApp
) -> None:
    store = in_process_server.store
    store.write_records("dev", notes(5))
    (page,) = await device.read(await device.start_id())
    await device.acknowledge(page.page_ack_key, rejections=[rejection(f"n{n}", n + 1) for n in range(3)])
    store.write_records("dev", [note("new")])

    pages = await device.sync()
    streamed = [[segment.redelivered for segment in page.segments] for page in pages]

    assert streamed == [[True], [False]]
    assert keys(pages) == ["n0", "n1", "n2", "new"]


async def test_refusals_told_at_the_start_are_kept(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(2))
    (page,) = await device.sync()

    answer = await device.start(positions=page.feeds, refused=[rejection("n0", 1)])

    assert [failed.key for failed in answer.failed_objects] == ["n0"]
    assert keys(await device.read(answer.session.id)) == ["n0"]


async def test_a_long_reason_is_cut(device: WireDevice, in_process_server: RunningApp) -> None:
    in_process_server.store.write_records("dev", notes(1))
    await device.sync()

    answer = await device.acknowledge(rejections=[rejection("n0", 1, "x" * 600)])

    assert answer.failed_objects[0].reason == "x" * 500


async def test_refusing_what_is_not_there_is_stale(device: WireDevice) -> None:
    answer = await device.acknowledge(rejections=[rejection("never", 3)])

    assert (answer.acknowledged, answer.stale) == (0, 1)
