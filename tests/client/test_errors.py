"""Typed errors: one class per reason, all that the server says readable."""

from __future__ import annotations

import socket
from uuid import uuid4

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from syncline.client import (
    ERROR_BY_REASON,
    AsyncSyncClient,
    CallCancelled,
    CallFailed,
    ChangeRejected,
    ConnectionLost,
    DeadlineExceeded,
    Feed,
    FieldViolation,
    GroupRejected,
    Overloaded,
    SeqReused,
    SeqSettled,
    SyncClient,
    SyncError,
    rejection_of,
)
from syncline.v1 import errors_pb2
from tests.client.scripted import Fault, ScriptedService

REASONS = [name for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name if name != "ERROR_REASON_UNSPECIFIED"]


REJECTIONS = [name for name, kind in ERROR_BY_REASON.items() if issubclass(kind, ChangeRejected)]


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


def status_of(reason: str, *details: Message, domain: str = "syncline", **metadata: str) -> status_pb2.Status:
    """The status of a rejected change."""
    status = status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message="what happened")
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata), *details):
        status.details.append(AnyMessage())
        status.details[-1].Pack(detail)
    return status


def test_errors_of_numbers_say_which(service: ScriptedService, scripted: str) -> None:
    numbers = {"change_seq": "7", "next_change_seq": "12"}
    for kind, reason in ((SeqReused, "SEQ_REUSED"), (SeqSettled, "SEQ_SETTLED")):
        info = error_details_pb2.ErrorInfo(reason=reason, domain="syncline", metadata=numbers)
        service.starts.append(Fault(grpc.StatusCode.FAILED_PRECONDITION, details=(info,)))
        error = failed_call(scripted)
        assert isinstance(error, kind)
        assert (error.change_seq, error.metadata) == (7, numbers)
        if isinstance(error, SeqReused):
            assert error.next_change_seq == 12


def test_a_number_that_is_missing_or_garbled_is_none_that_exists() -> None:
    for garbled in ({}, {"change_seq": "-1"}, {"change_seq": "seven"}):
        rejected = rejection_of(status_of("GROUP_REJECTED", **garbled))
        assert isinstance(rejected, GroupRejected)
        assert rejected.change_seq == 0


@pytest.mark.parametrize("reason", REJECTIONS)
def test_a_rejected_change_says_why(reason: str) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(field="name", description="too long")
    status = status_of(reason, error_details_pb2.BadRequest(field_violations=[violation]), change_seq="3")
    rejected = rejection_of(status)
    assert type(rejected) is ERROR_BY_REASON[reason]
    assert (rejected.reason, rejected.status) == (reason, grpc.StatusCode.INVALID_ARGUMENT)
    assert (rejected.message, rejected.metadata) == ("what happened", {"change_seq": "3"})
    assert rejected.field_violations == (FieldViolation("name", "too long"),)


def test_a_change_that_was_rejected_for_a_reason_of_a_newer_server_is_rejected_all_the_same() -> None:
    for status in (status_of("TIME_TRAVEL"), status_of("LIMIT_REACHED"), status_of("KEY_TAKEN", domain="elsewhere")):
        assert type(rejection_of(status)) is ChangeRejected
    assert rejection_of(status_of("TIME_TRAVEL")).reason == "TIME_TRAVEL"
    assert rejection_of(status_of("KEY_TAKEN", domain="elsewhere")).reason == ""
