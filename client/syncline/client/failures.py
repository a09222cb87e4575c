"""Turns a failed call, and the status of a rejected change, into the error for its reason.

Goes by status and details, never by a message's text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from syncline.client.errors import (
    CallCancelled,
    CallFailed,
    ConnectionLost,
    DeadlineExceeded,
    Failure,
    Feed,
    FieldViolation,
    Overloaded,
    SyncError,
)
from syncline.client.reasons import ERROR_BY_REASON
from syncline.client.rejections import ChangeRejected

DOMAIN = "syncline"

Failed = Callable[[grpc.RpcError], SyncError]
"""Makes an error of a failed call, as `error_from_call` does."""

AsyncFailed = Callable[[grpc.RpcError], Awaitable[SyncError]]

_ERROR_BY_STATUS: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.UNAVAILABLE: ConnectionLost,
    # How gRPC itself reports a connection that broke in the middle of a call. Faults of the server have a reason.
    grpc.StatusCode.INTERNAL: ConnectionLost,
    grpc.StatusCode.UNKNOWN: ConnectionLost,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.CANCELLED: CallCancelled,
}

_STATUS_BY_CODE: dict[int, grpc.StatusCode] = {status.value[0]: status for status in grpc.StatusCode}

_Detail = TypeVar("_Detail", bound=Message)


def error_from_call(call: grpc.RpcError) -> SyncError:
    """The error that the failed call stands for. The caller raises it `from` the call."""
    status: grpc.StatusCode = call.code()
    text: str = call.details() or status.name
    failure = _failure(status, _details(call))
    kind = ERROR_BY_REASON.get(failure.reason) if failure.reason else _ERROR_BY_STATUS.get(status)
    return (kind or CallFailed)(text, failure)


def rejection_of(status: status_pb2.Status) -> ChangeRejected:
    """Why a change was rejected, from the status of its answer."""
    failure = _failure(_STATUS_BY_CODE.get(status.code), status)
    kind = ERROR_BY_REASON.get(failure.reason, ChangeRejected)
    return (kind if issubclass(kind, ChangeRejected) else ChangeRejected)(status.message or failure.reason, failure)


def _failure(status: grpc.StatusCode | None, details: status_pb2.Status | None) -> Failure:
    info = _first(details, error_details_pb2.ErrorInfo)
    if info is None or info.domain != DOMAIN:
        info = error_details_pb2.ErrorInfo()
    return Failure(
        reason=info.reason,
        status=status,
        field_violations=_field_violations(details),
        feeds=_feeds(details),
        retry_after=_retry_after(details),
        request_id=_request_id(details),
        metadata=dict(info.metadata),
    )


def _details(call: grpc.RpcError) -> status_pb2.Status | None:
    """The status details; None if there are none or something in between has garbled them."""
    try:
        details: status_pb2.Status | None = rpc_status.from_call(call)  # type: ignore[arg-type]
    except (ValueError, DecodeError):
        return None
    return details


def _first(details: status_pb2.Status | None, kind: type[_Detail]) -> _Detail | None:
    if details is not None:
        for packed in details.details:
            found = kind()
            if packed.Is(kind.DESCRIPTOR) and packed.Unpack(found):
                return found
    return None


def _field_violations(details: status_pb2.Status | None) -> tuple[FieldViolation, ...]:
    found = _first(details, error_details_pb2.BadRequest)
    return () if found is None else tuple(FieldViolation(v.field, v.description) for v in found.field_violations)


def _feeds(details: status_pb2.Status | None) -> tuple[Feed, ...]:
    """The feeds of a PreconditionFailure; the subject of each violation is `scope/bucket`, both percent-encoded."""
    found = _first(details, error_details_pb2.PreconditionFailure)
    if found is None:
        return ()
    parts = (violation.subject.partition("/") for violation in found.violations if violation.subject)
    return tuple(Feed(unquote(scope), unquote(bucket)) for scope, _, bucket in parts)


def _retry_after(details: status_pb2.Status | None) -> float | None:
    found = _first(details, error_details_pb2.RetryInfo)
    if found is None:
        return None
    return float(found.retry_delay.seconds + found.retry_delay.nanos / 1e9)


def _request_id(details: status_pb2.Status | None) -> str:
    found = _first(details, error_details_pb2.RequestInfo)
    return "" if found is None else found.request_id
