"""What each error is to a client: status code, reason and details. The one place that decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message
from grpc import StatusCode

from syncline.data.errors import DataError
from syncline.server import errors as server_errors
from syncline.server.interceptors import details
from syncline.server.tokens import store_epoch_text
from syncline.storage import errors as store_errors

_Error = TypeVar("_Error", bound=Exception)

_RETRY_SECONDS = 1.0
"""When a client may try again what failed by load or by a stop of the server."""


class Row(NamedTuple):
    """How one class of errors, without its subclasses, is answered."""

    code: StatusCode
    reason: str
    """A name of `syncline.v1.ErrorReason`."""
    details: Callable[[Any], Sequence[Message]]
    """What goes with the reason."""
    message: Callable[[Any], str] = str
    """The text for people."""
    metadata: Callable[[Any], Mapping[str, str]] = lambda error: {}  # noqa: ARG005  nothing
    """What the reason is about, by name."""


def row_of(error: Exception) -> Row | None:
    """The error's row; None: it is none that a client should learn about."""
    return TABLE.get(type(error))


TABLE: dict[type[Exception], Row] = {}


def _row(
    kind: type[_Error],
    code: StatusCode,
    reason: str,
    detail: Callable[[_Error], Sequence[Message]] = lambda error: (),  # noqa: ARG005  no details
    *,
    message: Callable[[_Error], str] = str,
    metadata: Callable[[_Error], Mapping[str, str]] = lambda error: {},  # noqa: ARG005  nothing
) -> None:
    TABLE[kind] = Row(code, reason, detail, message, metadata)


def _try_again(_: Exception) -> Sequence[Message]:
    return (details.retry_after(_RETRY_SECONDS),)


_row(
    server_errors.InvalidRequest,
    StatusCode.INVALID_ARGUMENT,
    "INVALID_FIELD",
    lambda error: (details.bad_request(error.violations),),
)
_row(
    store_errors.InvalidValue,
    StatusCode.INVALID_ARGUMENT,
    "INVALID_FIELD",
    lambda error: (details.bad_request([(error.field, error.rule)]),),
)
_row(
    DataError,
    StatusCode.INVALID_ARGUMENT,
    "INVALID_FIELD",
    lambda error: (details.bad_request([(error.path, error.rule)]),),
)
_row(
    DecodeError,
    StatusCode.INVALID_ARGUMENT,
    "INVALID_FIELD",
    message=lambda _: "the request is not a message of this method",
)
_row(
    server_errors.FilterInvalid,
    StatusCode.INVALID_ARGUMENT,
    "FILTER_INVALID",
    lambda error: (details.bad_request([(error.field, error.rule)]),),
    metadata=lambda error: {"position": str(error.position), "expected": error.expected},
)
_row(
    server_errors.PageTokenInvalid,
    StatusCode.INVALID_ARGUMENT,
    "PAGE_TOKEN_INVALID",
    lambda error: (details.bad_request([("page_token", str(error))]),),
)
_row(server_errors.Unauthenticated, StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
_row(server_errors.DeviceOfAnother, StatusCode.PERMISSION_DENIED, "DEVICE_OF_ANOTHER")
_row(server_errors.PermissionDenied, StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
_row(server_errors.DeadlineReached, StatusCode.DEADLINE_EXCEEDED, "DEADLINE_REACHED")
_row(server_errors.DeviceUuidInvalid, StatusCode.INVALID_ARGUMENT, "DEVICE_UUID_INVALID")
_row(
    store_errors.SessionNotFound,
    StatusCode.NOT_FOUND,
    "SESSION_NOT_FOUND",
    lambda error: (details.resource("session", "", str(error)),),
    message=lambda _: "the device has no such session",
)
_row(
    store_errors.SessionExpired,
    StatusCode.FAILED_PRECONDITION,
    "SESSION_EXPIRED",
    message=lambda _: "the session has ended by time; start a new one",
)
_row(
    store_errors.ResyncRequired,
    StatusCode.FAILED_PRECONDITION,
    "RESYNC_REQUIRED",
    lambda error: (details.feeds_to_load(error.feeds, str(error)),),
)
_row(store_errors.StreamSuperseded, StatusCode.ABORTED, "SUPERSEDED")
_row(server_errors.AckOverdue, StatusCode.ABORTED, "ACK_OVERDUE")
_row(server_errors.StreamUnread, StatusCode.ABORTED, "ACK_OVERDUE")
_row(
    store_errors.AccountNotFound,
    StatusCode.NOT_FOUND,
    "ACCOUNT_NOT_FOUND",
    lambda error: (details.resource("account", error.account_id, str(error)),),
)
_row(
    store_errors.ScopeNotFound,
    StatusCode.NOT_FOUND,
    "SCOPE_NOT_FOUND",
    lambda error: (details.resource("scope", error.scope, str(error)),),
)
_row(
    store_errors.ObjectTypeNotFound,
    StatusCode.NOT_FOUND,
    "OBJECT_TYPE_NOT_FOUND",
    lambda error: (details.resource("object_type", error.object_type, str(error)),),
)
_row(
    server_errors.SchemaChangeRefused,
    StatusCode.FAILED_PRECONDITION,
    "SCHEMA_CHANGE_REFUSED",
    lambda error: (details.precondition("SCHEMA_CHANGE_REFUSED", error.refused),),
)
_row(store_errors.SchemaChanged, StatusCode.ABORTED, "SCHEMA_CHANGED")
_row(
    store_errors.LimitReached,
    StatusCode.RESOURCE_EXHAUSTED,
    "LIMIT_REACHED",
    lambda error: (details.quota(error.subject, str(error)),),
)
_row(
    server_errors.TooManyCalls,
    StatusCode.RESOURCE_EXHAUSTED,
    "LIMIT_REACHED",
    lambda error: (details.quota(error.subject, str(error)), details.retry_after(_RETRY_SECONDS)),
)
_row(
    server_errors.OverLimit,
    StatusCode.RESOURCE_EXHAUSTED,
    "LIMIT_REACHED",
    lambda error: (
        details.quota(error.subject, error.description),
        *(() if error.retry_seconds is None else (details.retry_after(error.retry_seconds),)),
    ),
)
_row(server_errors.Draining, StatusCode.UNAVAILABLE, "DRAINING", _try_again)
_row(
    store_errors.StoreUnavailable,
    StatusCode.UNAVAILABLE,
    "STORE_UNAVAILABLE",
    _try_again,
    message=lambda _: "the database is not reachable or too busy; try again",
)
_row(
    store_errors.StoreVersionMismatch,
    StatusCode.UNAVAILABLE,
    "STORE_UNAVAILABLE",
    _try_again,
    message=lambda _: "the database belongs to another version of the server",
)
_row(
    store_errors.FetchRaced,
    StatusCode.UNAVAILABLE,
    "STORE_UNAVAILABLE",
    _try_again,
    message=lambda _: "too many calls take pages of this session at the same time; try again",
)
_row(
    store_errors.StoreEpochChanged,
    StatusCode.FAILED_PRECONDITION,
    "STORE_EPOCH_CHANGED",
    message=lambda _: "the server's history is another one than the device knows; start a session",
)
_row(
    store_errors.SeqReused,
    StatusCode.FAILED_PRECONDITION,
    "SEQ_REUSED",
    metadata=lambda error: {"change_seq": str(error.change_seq), "next_change_seq": str(error.next_change_seq)},
)
_row(
    store_errors.SeqSettled,
    StatusCode.FAILED_PRECONDITION,
    "SEQ_SETTLED",
    metadata=lambda error: {
        "change_seq": str(error.change_seq),
        **({"last_change_seq": str(error.last_change_seq)} if error.last_change_seq != error.change_seq else {}),
    },
)
_row(store_errors.StaleDevice, StatusCode.FAILED_PRECONDITION, "STALE_DEVICE")
_row(
    store_errors.DeviceNotFound,
    StatusCode.NOT_FOUND,
    "DEVICE_NOT_FOUND",
    lambda _: (details.resource("device", "", "there is no such device"),),
    message=lambda _: "there is no such device",
)
_row(store_errors.DeviceDisabled, StatusCode.PERMISSION_DENIED, "DEVICE_DISABLED")
_row(
    store_errors.DeviceWiped,
    StatusCode.FAILED_PRECONDITION,
    "DEVICE_WIPED",
    metadata=lambda error: {
        "account": error.account_id,
        "upload_first": str(error.upload_first).lower(),
        "store_epoch": store_epoch_text(error.store_epoch),
        "settled_through": str(error.settled_through),
    },
)
_row(store_errors.WipeNotAsked, StatusCode.FAILED_PRECONDITION, "WIPE_NOT_ASKED")
_row(
    server_errors.AnswersTooLarge,
    StatusCode.RESOURCE_EXHAUSTED,
    "LIMIT_REACHED",
    lambda error: (details.quota("bytes in an answer", str(error)), details.retry_after(_RETRY_SECONDS)),
)
_row(
    store_errors.EnrollmentNotFound,
    StatusCode.NOT_FOUND,
    "ENROLLMENT_NOT_FOUND",
    lambda error: (details.resource("app_enrollment", "", str(error)),),
)
_row(store_errors.EnrollmentChanged, StatusCode.ABORTED, "ENROLLMENT_CHANGED")
_row(
    store_errors.EnrollmentBusy,
    StatusCode.FAILED_PRECONDITION,
    "ENROLLMENT_BUSY",
    lambda error: (details.precondition("ENROLLMENT_BUSY", [("app_enrollment", str(error))]),),
)
_row(
    store_errors.NameTaken,
    StatusCode.ALREADY_EXISTS,
    "NAME_TAKEN",
    lambda error: (details.resource("app_enrollment", "", str(error)),),
)
_row(
    store_errors.RequestNotFound,
    StatusCode.NOT_FOUND,
    "SYNC_REQUEST_NOT_FOUND",
    lambda error: (details.resource("sync_request", "", str(error)),),
)
_row(
    store_errors.RequestEnded,
    StatusCode.FAILED_PRECONDITION,
    "SYNC_REQUEST_STATE",
    lambda error: (details.precondition("SYNC_REQUEST_STATE", [("sync_request", str(error))]),),
)
_row(
    store_errors.PayloadGone,
    StatusCode.FAILED_PRECONDITION,
    "SYNC_REQUEST_STATE",
    lambda error: (details.precondition("SYNC_REQUEST_STATE", [("sync_request", str(error))]),),
)
_row(
    server_errors.RequestState,
    StatusCode.FAILED_PRECONDITION,
    "SYNC_REQUEST_STATE",
    lambda error: (details.precondition("SYNC_REQUEST_STATE", [(error.sync_request_id, str(error))]),),
)
_row(store_errors.RequestIdReused, StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
_row(
    store_errors.BatchInvalid,
    StatusCode.FAILED_PRECONDITION,
    "BATCH_INVALID",
    lambda error: (details.precondition("BATCH_INVALID", [("batch", str(error))]),),
)
_row(store_errors.LeaseLost, StatusCode.ABORTED, "LEASE_LOST")
_row(store_errors.BatchOutOfOrder, StatusCode.FAILED_PRECONDITION, "BATCH_OUT_OF_ORDER")
_row(
    server_errors.ConnectorNotFound,
    StatusCode.NOT_FOUND,
    "CONNECTOR_NOT_FOUND",
    lambda error: (details.resource("connector", error.connector, str(error)),),
)
_row(
    server_errors.ConnectorFailed,
    StatusCode.FAILED_PRECONDITION,
    "CONNECTOR_FAILED",
    lambda error: (details.precondition("CONNECTOR_FAILED", [("app_enrollment", str(error))]),),
)
_row(
    server_errors.PayloadInvalid,
    StatusCode.INVALID_ARGUMENT,
    "PAYLOAD_INVALID",
    lambda error: (details.bad_request(error.faults),),
)
