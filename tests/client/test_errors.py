"""Typed errors: one class per reason, all that the server says readable."""

from __future__ import annotations

import socket
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.client import (
    ERROR_BY_REASON,
    AsyncSyncClient,
    CallCancelled,
    CallFailed,
    ConnectionLost,
    DeadlineExceeded,
    Feed,
    FieldViolation,
    Overloaded,
    SyncClient,
    SyncError,
)
from syncline.v1 import errors_pb2
from tests.client.scripted import Fault, ScriptedService

REASONS = [name for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name if name != "ERROR_REASON_UNSPECIFIED"]


def failed_call(target: str) -> SyncError:
    with SyncClient(target, uuid4()) as client, pytest.raises(SyncError) as caught:
        client.start_session()
    return caught.value


def test_every_reason_has_a_class_of_its_own() -> None:
    assert set(ERROR_BY_REASON) == set(REASONS)
    assert len(set(ERROR_BY_REASON.values())) == len(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_becomes_its_class(service: ScriptedService, scripted: str, reason: str) -> None:
    service.starts.append(Fault(grpc.StatusCode.FAILED_PRECONDITION, reason, message="what happened"))
    error = failed_call(scripted)
    assert type(error) is ERROR_BY_REASON[reason]
    assert (error.reason, error.status) == (reason, grpc.StatusCode.FAILED_PRECONDITION)
    assert str(error) == "what happened"
    assert isinstance(error.__cause__, grpc.RpcError)


async def test_asyncio_calls_raise_the_same(service: ScriptedService, scripted: str) -> None:
    service.starts.append(Fault(grpc.StatusCode.NOT_FOUND, "SCOPE_NOT_FOUND"))
    async with AsyncSyncClient(scripted, uuid4()) as client:
        with pytest.raises(ERROR_BY_REASON["SCOPE_NOT_FOUND"]) as caught:
            await client.start_session(scopes=["nowhere"])
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_details_are_readable(service: ScriptedService, scripted: str) -> None:
    bad = error_details_pb2.BadRequest.FieldViolation(field="page_size", description="at least 1")
    failed = error_details_pb2.PreconditionFailure.Violation(subject="sales%2Feu/north%20west")
    whole = error_details_pb2.PreconditionFailure.Violation(subject="stock/")
    details: tuple[Message, ...] = (
        error_details_pb2.BadRequest(field_violations=[bad]),
        error_details_pb2.PreconditionFailure(violations=[failed, whole]),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
        error_details_pb2.RequestInfo(request_id="r-17"),
    )
    service.starts.append(Fault(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", details))
    error = failed_call(scripted)
    assert error.field_violations == (FieldViolation("page_size", "at least 1"),)
    assert error.feeds == (Feed("sales/eu", "north west"), Feed("stock", ""))
    assert error.retry_after == 1.5
    assert error.request_id == "r-17"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.INTERNAL, ConnectionLost),
        (grpc.StatusCode.UNKNOWN, ConnectionLost),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.CANCELLED, CallCancelled),
        (grpc.StatusCode.PERMISSION_DENIED, CallFailed),
    ],
)
def test_a_status_without_a_reason_has_a_class_too(
    service: ScriptedService, scripted: str, status: grpc.StatusCode, kind: type[SyncError]
) -> None:
    service.starts.append(Fault(status))
    error = failed_call(scripted)
    assert type(error) is kind
    assert (error.reason, error.status) == ("", status)


def test_a_reason_of_a_newer_server_stays_readable(service: ScriptedService, scripted: str) -> None:
    service.starts.append(Fault(grpc.StatusCode.ABORTED, "TIME_TRAVEL"))
    error = failed_call(scripted)
    assert type(error) is CallFailed
    assert error.reason == "TIME_TRAVEL"


def test_a_single_call_is_repeated_while_the_server_is_not_there(service: ScriptedService, scripted: str) -> None:
    service.starts.extend([Fault(grpc.StatusCode.UNAVAILABLE)] * 3)
    with SyncClient(scripted, uuid4()) as client:
        assert client.start_session().session.id == "s"
    assert len(service.start_requests) == 4


def test_a_deadline_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        with SyncClient(target, uuid4(), deadline_s=0.05) as client, pytest.raises(DeadlineExceeded):
            client.start_session()
