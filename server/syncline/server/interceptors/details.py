"""The details that go with an error: the standard messages of google.rpc."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from syncline.storage.models import Feed

DOMAIN = "syncline"


def error_info(reason: str, metadata: Mapping[str, str] | None = None) -> error_details_pb2.ErrorInfo:
    """The reason, by which clients go, and what goes with it."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def status(code: StatusCode, message: str, more: Iterable[Message]) -> status_pb2.Status:
    """A status with its details."""
    made = status_pb2.Status(code=code.value[0], message=message)
    for detail in more:
        packed = PackedAny()
        packed.Pack(detail)
        made.details.append(packed)
    return made


def bad_request(violations: Iterable[tuple[str, str]]) -> error_details_pb2.BadRequest:
    """Which fields break which rules."""
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[violation(field=field, description=rule) for field, rule in violations]
    )


def feeds_to_load(feeds: Iterable[Feed], why: str) -> error_details_pb2.PreconditionFailure:
    """Which feeds the device must load from their beginning, none: all of its feeds.

    Each is named as `scope/bucket`, both percent-encoded, but for a slash in the latter.
    """
    subjects = (f"{quote(feed.scope, safe='')}/{quote(feed.bucket)}" for feed in feeds)
    return precondition("RESYNC_REQUIRED", ((subject, why) for subject in subjects))


def precondition(kind: str, violations: Iterable[tuple[str, str]]) -> error_details_pb2.PreconditionFailure:
    """What stands in the way, by subject and description."""
    violation = error_details_pb2.PreconditionFailure.Violation
    return error_details_pb2.PreconditionFailure(
        violations=[violation(type=kind, subject=subject, description=what) for subject, what in violations]
    )


def resource(kind: str, name: str, description: str) -> error_details_pb2.ResourceInfo:
    """Which thing is meant."""
    return error_details_pb2.ResourceInfo(resource_type=kind, resource_name=name, description=description)


def quota(subject: str, description: str) -> error_details_pb2.QuotaFailure:
    """Which limit is reached."""
    violation = error_details_pb2.QuotaFailure.Violation(subject=subject, description=description)
    return error_details_pb2.QuotaFailure(violations=[violation])


def retry_after(seconds: float) -> error_details_pb2.RetryInfo:
    """When to try again."""
    delay = Duration()
    delay.FromMilliseconds(int(seconds * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def request_id(identity: str) -> error_details_pb2.RequestInfo:
    """Under what the server's log has more."""
    return error_details_pb2.RequestInfo(request_id=identity)
