"""ListConflicts over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage import Store
from syncline.v1 import upload_pb2
from tests.harness.wire import WireDevice, detail_of, error_of
from tests.service.uploading import insert, open_uploading_store, update, upload_once


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store of each kind."""
    with open_uploading_store(store_url) as store:
        yield store


@pytest.fixture
def other(device: WireDevice) -> WireDevice:
    """Another device on the same connection."""
    return WireDevice(device.channel)


async def listed(device: WireDevice, **fields: Any) -> upload_pb2.ListConflictsResponse:
    request = upload_pb2.ListConflictsRequest(**fields)
    return await device.stub.ListConflicts(request, metadata=device.metadata)


async def conflict(
    device: WireDevice, seq: int, count: int, object_type: str = "merged", text: str = "mine"
) -> list[int]:
    """Make this many conflicts, each on a record of its own; their ids."""
    texts = [insert(2 * seq, f"k{seq}", object_type, text="theirs") for seq in range(seq, seq + count)]
    await upload_once(WireDevice(device.channel), *texts)
    changes = [update(seq, f"k{seq}", object_type, seen={"text": "old"}, text=text) for seq in range(seq, seq + count)]
    return [answer.conflict.conflict_id for answer in await upload_once(device, *changes)]


async def test_pages_come_newest_first_and_end(device: WireDevice) -> None:
    ids = await conflict(device, 1, 5)

    first = await listed(device, page_size=2)
    second = await listed(device, page_size=2, page_token=first.next_page_token)
    third = await listed(device, page_size=2, page_token=second.next_page_token)

    got = [[entry.conflict_id for entry in page.conflicts] for page in (first, second, third)]
    assert got == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    assert not third.next_page_token
    whole = await listed(device)
    assert [entry.conflict_id for entry in whole.conflicts] == ids[::-1]
    assert not whole.next_page_token
    assert not (await listed(device, page_size=5)).next_page_token


async def test_an_entry_is_what_the_answer_said(device: WireDevice) -> None:
    await upload_once(WireDevice(device.channel), insert(1, "a", text="theirs"))
    (answer,) = await upload_once(device, update(1, "a", seen={"text": "old"}, text="mine"))

    (entry,) = (await listed(device)).conflicts

    assert entry == answer.conflict
    assert (entry.server_data, entry.device_data) == (b'{"text":"theirs"}', b'{"text":"mine"}')


async def test_filters(device: WireDevice, other: WireDevice) -> None:
    mine = await conflict(device, 1, 2)
    strict = await conflict(device, 3, 1, "strict")
    theirs = await conflict(other, 5, 1)

    async def ids(**fields: Any) -> list[int]:
        return [entry.conflict_id for entry in (await listed(device, **fields)).conflicts]

    assert await ids() == [*strict, *mine[::-1]]
    assert await ids(all_devices=True) == [*theirs, *strict, *mine[::-1]]
    assert await ids(object_type="strict") == strict
    assert await ids(object_type="merged", key="k2") == mine[1:]
    assert await ids(object_type="merged", key="") == []
    assert await ids(object_type="unknown") == []


async def test_g9_what_a_device_says_of_a_record_that_it_does_not_see_is_shown_to_no_other(
    device: WireDevice, other: WireDevice, store: Store
) -> None:
    await device.start()
    store.grant_buckets("dev", device.uuid, ["north"])
    await upload_once(device, insert(1, "a", text="secret", _bucket="north"))
    store.revoke_buckets("dev", device.uuid, ["north"])
    await upload_once(device, update(2, "a", seen={"text": "secret"}, text="still secret"))

    assert [entry.key for entry in (await listed(device)).conflicts] == ["a"]
    assert not (await listed(other, all_devices=True)).conflicts


async def test_a_page_ends_before_it_is_too_large_for_a_message(device: WireDevice) -> None:
    ids = await conflict(device, 1, 3)
    for seq in range(10, 13):  # each of nearly three megabytes
        await upload_once(WireDevice(device.channel), _large(insert(seq, f"l{seq}"), b"t"))
        (answer,) = await upload_once(device, _large(insert(seq, f"l{seq}"), b"m"))
        ids.append(answer.conflict.conflict_id)

    pages = [await listed(device)]
    while pages[-1].next_page_token:
        pages.append(await listed(device, page_token=pages[-1].next_page_token))

    assert [entry.conflict_id for page in pages for entry in page.conflicts] == ids[::-1]
    assert [len(page.conflicts) for page in pages] == [1, 1, 1, 3]


def _large(change: upload_pb2.Change, letter: bytes) -> upload_pb2.Change:
    change.object_type = "blob"
    change.data = b'{"text":"' + letter * 900_000 + b'"}'
    return change


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 501}, "page_size"),
        ({"key": "a"}, "object_type"),
        ({"object_type": "t" * 61}, "object_type"),
        ({"object_type": "a\0b"}, "object_type"),
        ({"object_type": "a", "key": "k" * 1_025}, "key"),
        ({"page_token": "?"}, "page_token"),
    ],
)
async def test_fields(device: WireDevice, fields: dict[str, Any], refused: str) -> None:
    assert await _refused(device, **fields) == [refused]


async def test_a_page_token_belongs_to_its_device_and_filter(device: WireDevice, other: WireDevice) -> None:
    await conflict(device, 1, 2)
    token = (await listed(device, page_size=1)).next_page_token

    assert await _refused(device, page_token=token, all_devices=True) == ["page_token"]
    assert await _refused(device, page_token=token, object_type="merged") == ["page_token"]
    assert await _refused(other, page_token=token) == ["page_token"]
    assert await _refused(device, page_token=token[:-1] + ("B" if token[-1] == "A" else "A")) == ["page_token"]
    assert len((await listed(device, page_token=token, page_size=9)).conflicts) == 1


async def _refused(device: WireDevice, **fields: Any) -> list[str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await listed(device, **fields)
    assert error_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    return [violation.field for violation in detail_of(caught.value, error_details_pb2.BadRequest).field_violations]
