"""The details that go with an error: the standard messages of google.rpc."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.storage.models import Feed

DOMAIN = "syncline"


def error_info(reason: str) -> error_details_pb2.ErrorInfo:
    """The reason, by which clients go."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)


def bad_request(violations: Iterable[tuple[str, str]]) -> error_details_pb2.BadRequest:
    """Which fields break which rules."""
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[violation(field=field, description=rule) for field, rule in violations]
    )


def feeds_to_load(feeds: Iterable[Feed], why: str) -> error_details_pb2.PreconditionFailure:
    """Which feeds the device must load from their beginning, each as `scope/bucket`; none: all of its feeds."""
    return precondition("RESYNC_REQUIRED", ((f"{feed.scope}/{feed.bucket}", why) for feed in feeds))


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
