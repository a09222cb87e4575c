"""Clients of sync requests: what is asked twice is one request, watches go on, files come whole, errors are told."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.client import (
    AsyncDiagnosticsClient,
    AsyncEnrollmentClient,
    AsyncSyncRequestClient,
    BatchPlace,
    ClientClosed,
    ConnectionLost,
    DeadlineExceeded,
    DiagnosticsClient,
    EnrollmentClient,
    FilterInvalid,
    InvalidOption,
    OnMatch,
    PayloadInvalid,
    SourceRow,
    SyncError,
    SyncOperation,
    SyncRequestClient,
    SyncRequestNotFound,
    SyncRequestStatus,
)
from syncline.client.batch_upload import CHUNK_BYTES
from syncline.v1 import sync_request_pb2, sync_request_service_pb2
from tests.client.calling import Call, call_asyncio, call_blocking
from tests.client.scripted import Fault
from tests.client.scripted_requests import ScriptedRequests, request, serving_requests
from tests.client.test_calls import surface

LOST = Fault(grpc.StatusCode.UNAVAILABLE)
DRAINING = Fault(grpc.StatusCode.UNAVAILABLE, "DRAINING")


@pytest.fixture(params=[call_blocking, call_asyncio], ids=["blocking", "asyncio"])
def call(request: pytest.FixtureRequest) -> Call:
    made: Call = request.param
    return made


@pytest.fixture
def requests() -> ScriptedRequests:
    return ScriptedRequests()


@pytest.fixture
def target(requests: ScriptedRequests) -> Iterator[str]:
    with serving_requests(requests) as address:
        yield address


@pytest.mark.parametrize(
    ("blocking", "asynchronous"),
    [
        (SyncRequestClient, AsyncSyncRequestClient),
        (EnrollmentClient, AsyncEnrollmentClient),
        (DiagnosticsClient, AsyncDiagnosticsClient),
    ],
)
def test_both_clients_have_the_same_surface(blocking: type, asynchronous: type) -> None:
    assert {name: str(each) for name, each in surface(blocking).items()} == {
        name: str(each) for name, each in surface(asynchronous).items()
    }


async def test_g6_what_is_asked_again_is_the_same_request(call: Call, target: str, requests: ScriptedRequests) -> None:
    for method, words in (("create", ("e",)), ("import_records", ([SourceRow("note", {"id": "1"})],)), ("retry", "r")):
        requests.asked.clear()
        requests.answers.extend([LOST, LOST, request()])
        made = await call(target, "requests", method, *words)
        assert made.status is SyncRequestStatus.READY
        assert len(requests.asked) == 3
        assert len({UUID(asked.request_id) for asked in requests.asked}) == 1
    requests.answers.append(request())
    await call(target, "requests", "create", "e", request_id="mine")
    assert requests.asked[-1].request_id == "mine"


async def test_what_is_asked_for_is_sent(call: Call, target: str, requests: ScriptedRequests) -> None:
    requests.answers.extend([request(), request()])
    await call(target, "requests", "create", UUID(int=7), full=True, operation=SyncOperation.CHECK)
    asked = requests.asked.pop()
    assert asked.app_enrollment_id == str(UUID(int=7))
    assert (asked.run_full_sync, asked.operation) == (True, sync_request_pb2.SYNC_OPERATION_CHECK)

    parent = uuid4()
    rows = [
        SourceRow("note", {"id": "1", "text": "é"}, source_key="k", on_match=OnMatch.SKIP),
        SourceRow("note", source_key="gone", deleted=True),
    ]
    await call(target, "requests", "import_records", rows, batch=BatchPlace(parent, 2, 3))
    asked = requests.asked.pop()
    assert [row.data for row in asked.rows] == ['{"id":"1","text":"é"}'.encode(), b""]
    assert [row.source_key for row in asked.rows] == ["k", "gone"]
    assert asked.rows[0].on_match == sync_request_pb2.ON_MATCH_ACTION_SKIP
    assert asked.rows[1].deleted
    assert (asked.batch.parent_sync_request_id, asked.batch.current_batch, asked.batch.total_batches) == (
        str(parent),
        2,
        3,
    )


async def test_what_cannot_be_sent_is_told_before(call: Call, target: str, requests: ScriptedRequests) -> None:
    for words in ([SourceRow("note", {"n": float("nan")})], [SourceRow("note", {"n": object()})]):
        with pytest.raises(InvalidOption):
            await call(target, "requests", "import_records", words)
    for method, word, options in (
        ("get", "\udcff", {}),
        ("create", "e", {"operation": SyncOperation.UNKNOWN}),
        ("upload", io.BytesIO(b"x"), {"enrollment_id": "\udcff"}),
    ):
        with pytest.raises(InvalidOption):
            await call(target, "requests", method, word, **options)
    assert requests.asked == []


async def test_lists_are_read_page_by_page(call: Call, target: str, requests: ScriptedRequests) -> None:
    page = sync_request_service_pb2.ListSyncRequestsResponse
    first_page = page(sync_requests=[request()] * 2, next_page_token="2")  # noqa: S106
    requests.answers.extend([first_page, page(sync_requests=[request()])])
    assert len(await call(target, "requests", "list", "status = READY", order_by="status", page_size=2)) == 3
    asked = [(each.filter, each.order_by, each.page_size, each.page_token) for each in requests.asked]
    assert asked == [("status = READY", "status", 2, ""), ("status = READY", "status", 2, "2")]

    details = sync_request_service_pb2.ListSyncRequestDetailsResponse
    one = sync_request_pb2.SyncRequestDetail(
        number=1, severity=sync_request_pb2.DETAIL_SEVERITY_ERROR, object_type="note", line=3, reason="too long"
    )
    requests.answers.extend([details(details=[one], next_page_token="1"), details(details=[one])])  # noqa: S106
    (first, _) = await call(target, "requests", "details", "r")
    assert (first.severity.value, first.line, first.reason) == ("error", 3, "too long")


async def test_what_a_newer_server_says_reads_as_unknown(call: Call, target: str, requests: ScriptedRequests) -> None:
    requests.answers.append(sync_request_pb2.SyncRequest(status=77, operation=77))  # type: ignore[arg-type]
    got = await call(target, "requests", "get", "r")
    assert (got.status, got.operation) == (SyncRequestStatus.UNKNOWN, SyncOperation.UNKNOWN)
    assert not got.status.is_final


async def test_a_watch_goes_on_after_every_break(call: Call, target: str, requests: ScriptedRequests) -> None:
    ready, running, done = request(), request("IN_PROGRESS"), request("SUCCESS", result_message="done")
    requests.watches.extend([[LOST], [ready, running, DRAINING], [running], [running, LOST], [done]])
    states = await call(target, "requests", "watch", "r")
    assert [state.status.value for state in states] == ["ready", "in_progress", "success"]
    assert len(requests.asked) == 5


async def test_a_watch_of_nothing_and_one_of_a_server_that_stays_away_end(
    call: Call, target: str, requests: ScriptedRequests
) -> None:
    requests.watches.append([Fault(grpc.StatusCode.NOT_FOUND, "SYNC_REQUEST_NOT_FOUND")])
    with pytest.raises(SyncRequestNotFound):
        await call(target, "requests", "watch", "r")
    requests.watches.extend([[LOST]] * 9)
    with pytest.raises(ConnectionLost):
        await call(target, "requests", "wait", "r")
    assert not requests.watches


async def test_waiting_ends_with_the_request_or_with_its_time(
    call: Call, target: str, requests: ScriptedRequests
) -> None:
    requests.watches.append([request(), request("FAILED", result_message="no")])
    ended = await call(target, "requests", "wait", "r", timeout_s=60)
    assert (ended.status, ended.result_message) == (SyncRequestStatus.FAILED, "no")
    requests.hold = True
    requests.watches.append([request()])
    with pytest.raises(DeadlineExceeded, match="has not ended in time"):
        await call(target, "requests", "wait", "r", timeout_s=0.05)


def test_leaving_a_watch_ends_its_call(target: str, requests: ScriptedRequests) -> None:
    requests.hold = True
    requests.watches.append([request()])
    with SyncRequestClient(target) as client:
        for _ in client.watch("r"):
            break
        assert requests.watch_ended.wait(timeout=30)


async def test_leaving_an_asyncio_watch_ends_its_call(target: str, requests: ScriptedRequests) -> None:
    requests.hold = True
    requests.watches.append([request()])
    async with AsyncSyncRequestClient(target) as client:
        watch = client.watch("r")
        async for _ in watch:
            break
        await watch.aclose()  # type: ignore[attr-defined]
        assert requests.watch_ended.wait(timeout=30)


DATA = bytes(range(256)) * 5000


async def test_a_file_is_measured_and_sent_in_chunks(
    call: Call, target: str, requests: ScriptedRequests, tmp_path: Path
) -> None:
    (tmp_path / "data.zip").write_bytes(DATA)
    told: list[tuple[int, int]] = []
    options: dict[str, Any] = {"enrollment_id": "e", "full": True, "on_match": OnMatch.ERROR}
    requests.uploads.append((0, request()))
    await call(target, "requests", "upload", tmp_path / "data.zip", progress=lambda *each: told.append(each), **options)
    ((header, *chunks),) = requests.uploaded
    assert (header.header.size, header.header.sha256) == (len(DATA), hashlib.sha256(DATA).digest())
    assert (header.header.app_enrollment_id, header.header.run_full_sync) == ("e", True)
    assert header.header.on_match == sync_request_pb2.ON_MATCH_ACTION_ERROR
    assert b"".join(message.chunk for message in chunks) == DATA
    assert max(len(message.chunk) for message in chunks) == CHUNK_BYTES
    assert told == [(CHUNK_BYTES, len(DATA)), (2 * CHUNK_BYTES, len(DATA)), (len(DATA), len(DATA))]


async def test_g6_an_upload_that_broke_is_sent_again_as_the_same_request(
    call: Call, target: str, requests: ScriptedRequests
) -> None:
    requests.uploads.extend([(1, LOST), (2, DRAINING), (0, request())])
    file = io.BytesIO(b"before" + DATA)
    file.seek(len(b"before"))
    await call(target, "requests", "upload", file)
    assert len({message[0].header.request_id for message in requests.uploaded}) == 1
    assert b"".join(message.chunk for message in requests.uploaded[-1]) == DATA


async def test_an_upload_that_is_refused_says_why(call: Call, target: str, requests: ScriptedRequests) -> None:
    requests.uploads.append((1, Fault(grpc.StatusCode.INVALID_ARGUMENT, "PAYLOAD_INVALID", message="no zip")))
    with pytest.raises(PayloadInvalid, match="no zip"):
        await call(target, "requests", "upload", io.BytesIO(DATA))


class Failing(io.BytesIO):
    """A file that cannot be read a second time."""

    def seek(self, *words: int) -> int:
        if self.tell():
            raise OSError("the disk is gone")
        return super().seek(*words)


async def test_a_file_that_cannot_be_read_is_told_as_that(
    call: Call, target: str, requests: ScriptedRequests, tmp_path: Path
) -> None:
    requests.uploads.append((0, Fault(grpc.StatusCode.INVALID_ARGUMENT, "PAYLOAD_INVALID")))
    with pytest.raises(OSError, match="the disk is gone"):
        await call(target, "requests", "upload", Failing(DATA))
    with pytest.raises(FileNotFoundError):
        await call(target, "requests", "upload", tmp_path / "nothing.zip")


async def test_a_wrong_filter_says_where(call: Call, target: str, requests: ScriptedRequests) -> None:
    info = error_details_pb2.ErrorInfo(
        reason="FILTER_INVALID", domain="syncline", metadata={"position": "8", "expected": "a value"}
    )
    requests.answers.append(Fault(grpc.StatusCode.INVALID_ARGUMENT, details=(info,)))
    with pytest.raises(FilterInvalid) as caught:
        await call(target, "requests", "list", "status =")
    assert (caught.value.position, caught.value.expected) == (8, "a value")


async def test_a_closed_client_says_so(target: str) -> None:
    blocking, asynchronous = SyncRequestClient(target), AsyncSyncRequestClient(target)
    blocking.close()
    await asynchronous.close()
    with pytest.raises(ClientClosed):
        blocking.get("r")
    with pytest.raises(ClientClosed):
        blocking.wait("r")
    with pytest.raises(ClientClosed):
        blocking.upload(io.BytesIO())
    with pytest.raises(ClientClosed):
        await asynchronous.upload(io.BytesIO())
    with pytest.raises(SyncError):
        await asynchronous.get("r")
