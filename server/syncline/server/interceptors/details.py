"""The details that go with an error: the standard messages of google.rpc.

All of them travel in the metadata of the answer, of which gRPC takes 8 KiB: an error that is larger arrives without its
reason, or not at all. So texts are cut, and of many violations the first ones are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil
from urllib.parse import quote

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from syncline.storage.models import Feed

DOMAIN = "syncline"
MESSAGE_BYTES_MAX = 1_000
"""Of the text of an error, as gRPC writes it."""
VIOLATIONS_BYTES_MAX = 2_400
"""Of all violations together; but the first one is always told."""
FIELD_CHARS_MAX = 150
RULE_CHARS_MAX = 300


def error_info(reason: str, metadata: Mapping[str, str] | None = None) -> error_details_pb2.ErrorInfo:
    """The reason, by which clients go, and what goes with it."""
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def status(code: StatusCode, message: str, more: Iterable[Message]) -> status_pb2.Status:
    """A status with its details."""
    made = status_pb2.Status(code=code.value[0], message=_told(message))
    for detail in more:
        packed = PackedAny()
        packed.Pack(detail)
        made.details.append(packed)
    return made


def bad_request(violations: Iterable[tuple[str, str]]) -> error_details_pb2.BadRequest:
    """Which fields break which rules."""
    violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[
            violation(field=_cut(field, FIELD_CHARS_MAX), description=rule) for field, rule in _first(violations)
        ]
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
        violations=[violation(type=kind, subject=subject, description=what) for subject, what in _first(violations)]
    )


def resource(kind: str, name: str, description: str) -> error_details_pb2.ResourceInfo:
    """Which thing is meant."""
    return error_details_pb2.ResourceInfo(resource_type=kind, resource_name=name, description=description)


def quota(subject: str, description: str) -> error_details_pb2.QuotaFailure:
    """Which limit is reached."""
    violation = error_details_pb2.QuotaFailure.Violation(subject=subject, description=description)
    return error_details_pb2.QuotaFailure(violations=[violation])


def retry_after(seconds: float) -> error_details_pb2.RetryInfo:
    """When to try again, not a moment before."""
    delay = Duration()
    delay.FromMilliseconds(ceil(seconds * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def request_id(identity: str) -> error_details_pb2.RequestInfo:
    """Under what the server's log has more."""
    return error_details_pb2.RequestInfo(request_id=identity)


def _told(message: str) -> str:
    """The message, cut to what gRPC carries: it writes most characters beyond ASCII, and blanks, with several."""
    kept = 0
    for place, character in enumerate(message):
        kept += len(quote(character, safe=""))
        if kept > MESSAGE_BYTES_MAX:
            return f"{message[:place]}…"
    return message


def _first(violations: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The first ones, with what is said of each cut to what people read."""
    left = VIOLATIONS_BYTES_MAX
    for subject, what in violations:
        told = _cut(what, RULE_CHARS_MAX)
        left -= len(subject[:FIELD_CHARS_MAX].encode()) + len(told.encode())
        yield subject, told
        if left <= 0:
            return


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[:chars_max]}…"
