"""Limits of callers on a real server: at their edge, and what goes on beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from syncline.client import Ack, AsyncSyncClient, Data, LimitReached, Meta
from syncline.data import metrics
from syncline.storage import Store
from tests.harness.issuer import IDENTITY, claims, ec_key, jwks, signed
from tests.harness.metrics import recorded_metrics
from tests.harness.server import declare_notes, running_app
from tests.harness.wire import WireDevice, detail_of, error_of, keys, next_page, note, notes, wire_device
from tests.service.requesting import RequestCalls, row
from tests.service.uploading import insert, update, upload_call, upload_once, verdicts

KEY = ec_key()
LIMIT_REACHED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")


async def assert_refused(call: Any, subject: str) -> float | None:
    """The call is refused for that limit; in how many seconds it may be made again."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return told_of(caught.value, subject)


def told_of(error: grpc.aio.AioRpcError, subject: str) -> float | None:
    """The error is of that limit; in how many seconds the call may be made again."""
    assert error_of(error) == LIMIT_REACHED
    (violation,) = detail_of(error, error_details_pb2.QuotaFailure).violations
    assert violation.subject == subject
    assert violation.description
    assert "developer" not in str(error), "names the principal"
    status: status_pb2.Status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs forget aio
    if any(packed.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for packed in status.details):
        delay = detail_of(error, error_details_pb2.RetryInfo).retry_delay
        return float(delay.seconds + delay.nanos / 1e9)
    return None


async def take(_meta: Meta, _data: Data | None) -> Ack:
    return Ack.ACK


@pytest.mark.parametrize("who", ["principal", "account"])
async def test_calls_beyond_the_rate_are_told_when_to_come_back(store: Store, who: str) -> None:
    limits = {f"{who}_calls_per_second": 0.01, "calls_burst_seconds": 1}
    with recorded_metrics() as recorded:
        async with running_app(store, **limits) as server, wire_device(server.address) as device:
            await start_often(device, 10)
            told = await assert_refused(device.start(), f"{who}:calls")
            assert told is not None
            assert 90 < told <= 100
        assert recorded.counts(metrics.REFUSALS) == {("LIMIT_REACHED", f"{who}_calls"): 1}


async def test_principals_and_accounts_do_not_disturb_each_other(store: Store, tmp_path: Path) -> None:
    declare_notes(store, "other")
    (tmp_path / "jwks.json").write_bytes(jwks(one=KEY))
    limits = {"principal_calls_per_second": 0.1, "account_calls_per_second": 0.15, "calls_burst_seconds": 100}
    settings = {**IDENTITY, "jwks": str(tmp_path / "jwks.json"), **limits, "principal_streams": 1}
    async with running_app(store, **settings) as server, wire_device(server.address) as device:
        ann, bob, eve = (
            caller_of(device, sub=name, account=account)
            for name, account in [("ann", "dev"), ("bob", "dev"), ("ann", "other")]
        )
        stream = ann.stream(await ann.start_id(always=True), follow=True)
        await next_page(stream)
        session_id = await ann.start_id(always=True)
        await assert_refused(ann.stream(session_id).read(), "principal:streams")
        for other in (bob, eve):
            assert await other.sync(always=True)
        assert await assert_refused(start_often(ann, 11), "principal:calls")
        assert await assert_refused(start_often(bob, 11), "account:calls")
        await start_often(eve, 7)


def caller_of(device: WireDevice, **claimed: str) -> WireDevice:
    """Another device on the same connection, that brings a token of its own."""
    other = WireDevice(device.channel)
    other.metadata = (*other.metadata, ("authorization", f"Bearer {signed(KEY, claims(**claimed))}"))
    return other


async def start_often(device: WireDevice, count: int) -> None:
    """StartSession, again and again."""
    for _ in range(count):
        await device.start()


async def test_a_client_waits_as_it_is_told_and_ends_well(store: Store) -> None:
    store.write_records("dev", notes(50))
    async with running_app(store, principal_calls_per_second=20, calls_burst_seconds=0.1) as server:
        clients = [AsyncSyncClient(server.address, uuid4()) for _ in range(3)]
        results = await asyncio.gather(*(client.sync(take, page_size=25) for client in clients))
        assert [result.acknowledged for result in results] == [50, 50, 50]
        for client in clients:
            await client.close()


async def test_a_client_that_gives_up_says_what_limit_it_met(store: Store) -> None:
    async with running_app(store, principal_calls_per_second=0.001, calls_burst_seconds=1) as server:
        async with AsyncSyncClient(server.address, uuid4()) as client:
            for _ in range(10):
                await client.start_session()
            with pytest.raises(LimitReached, match=r"principal:calls: at most 0\.001 calls a second") as caught:
                await client.sync(take)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 120


@pytest.mark.parametrize("who", ["principal", "account"])
async def test_streams_are_limited_and_calls_go_on(store: Store, who: str) -> None:
    async with running_app(store, **{f"{who}_streams": 1}) as server, wire_device(server.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)
        other = WireDevice(device.channel)
        session_id = await other.start_id(always=True)
        assert await assert_refused(other.stream(session_id).read(), f"{who}:streams")
        stream.cancel()
        await server.until(lambda: not server.environment.notifier.accounts())
        assert len(await other.read(session_id)) == 1


async def test_a_batch_on_its_way_in_is_a_stream_of_its_principal(store: Store) -> None:
    async with running_app(store, principal_streams=1) as server, wire_device(server.address) as device:
        silent = RequestCalls(device.channel).requests.UploadBatch()
        await silent.wait_for_connection()
        stream = device.stream(await device.start_id(always=True))
        assert await assert_refused(stream.read(), "principal:streams")
        silent.cancel()


async def test_uploads_are_slowed_down_and_then_refused(store: Store) -> None:
    async with (
        running_app(store, principal_upload_bytes_per_minute=3_200_000) as server,
        wire_device(server.address) as device,
        upload_call(device) as stream,
    ):
        many = [insert(seq, f"a{seq}", "note", id=f"a{seq}", text="x" * 100_000) for seq in range(1, 32)]
        assert len(await stream.upload(*many)) == 31
        assert len(await stream.upload(insert(32, "b", "note", id="b", text="x" * 100_000))) == 1
        await stream.send(*(insert(seq, f"c{seq}", "note", id=f"c{seq}", text="x" * 100_000) for seq in range(33, 60)))
        told = told_of(await stream.error(), "principal:upload_bytes")
        assert told is not None
        assert 30 < told <= 60
        calls = RequestCalls(device.channel)
        assert await assert_refused(
            calls.load([row(f"d{number}", text="x" * 100_000) for number in range(27)]), "principal:upload_bytes"
        )
        assert len(keys(await device.sync())) == 32, "downloads are another matter"


async def test_an_account_has_so_many_devices(store: Store) -> None:
    async with running_app(store, account_devices=2) as server, wire_device(server.address) as device:
        second, third = WireDevice(device.channel), WireDevice(device.channel)
        await device.start()
        await second.start()
        assert await assert_refused(third.start(), "account:devices") is None, "waiting is of no use"
    async with running_app(store, account_devices=1) as server, wire_device(server.address, second.uuid) as second:
        await second.start()


async def test_an_account_has_so_many_records(store: Store) -> None:
    store.write_records("dev", notes(3))
    async with running_app(store, account_records=4) as server, wire_device(server.address) as device:
        calls = RequestCalls(device.channel)
        first = await upload_once(device, insert(1, "a", "note", id="a"))
        assert verdicts(first) == ["APPLIED"]
        both = insert(2, "b", "note", id="b"), update(3, "n1", "note", seen={"text": ""}, text="new")
        assert verdicts(await upload_once(device, *both)) == ["LIMIT_REACHED", "MERGED"]
        assert verdicts(await upload_once(device, both[0])) == ["LIMIT_REACHED"]
        assert await assert_refused(calls.load([row("c")]), "account:records") is None
    assert store.count_records("dev") == {"note": 4}


async def test_small_sessions_do_not_wait_for_first_syncs(store: Store) -> None:
    store.write_records("dev", notes(40))
    limits = {"first_sync_items": 20, "first_syncs_max": 1, "first_sync_wait_seconds": 0.05, "read_items": 10}
    async with running_app(store, pages_in_flight=1, **limits) as server, wire_device(server.address) as small:
        await small.sync()
        store.write_records("dev", [note("new")])
        first, late = WireDevice(small.channel), WireDevice(small.channel)
        stream = first.stream(await first.start_id(), page_size=10)
        page = await next_page(stream)  # and waits for its acknowledgement
        refused = late.stream(await late.start_id())
        assert await assert_refused(refused.read(), "server:first_syncs")
        assert keys(await small.sync()) == ["new"]

        await first.acknowledge(page.page_ack_key)
        while (page := await next_page(stream)).count_left:
            await first.acknowledge(page.page_ack_key)
        assert await stream.read() is grpc.aio.EOF
        assert len(keys(await late.sync())) == 41
        assert not len(server.environment.first_syncs)
