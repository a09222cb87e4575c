"""Why a change is rejected: raised where a rule is broken, and told as a status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.rpc import status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode

from syncline.data.errors import DataError
from syncline.server.interceptors import details
from syncline.storage.upload_models import ChangeRefusal

REFUSAL_CODES: Final[Mapping[str, StatusCode]] = {
    "CHANGE_INVALID": StatusCode.INVALID_ARGUMENT,
    "CHANGE_TOO_LARGE": StatusCode.INVALID_ARGUMENT,
    "GROUP_INCOMPLETE": StatusCode.INVALID_ARGUMENT,
    "GROUP_REJECTED": StatusCode.FAILED_PRECONDITION,
    "KEY_TAKEN": StatusCode.ALREADY_EXISTS,
    "KEY_CHANGED": StatusCode.INVALID_ARGUMENT,
    "BASE_FROM_FUTURE": StatusCode.FAILED_PRECONDITION,
    "TYPE_READ_ONLY": StatusCode.PERMISSION_DENIED,
    "BUCKET_NOT_GRANTED": StatusCode.PERMISSION_DENIED,
    "CONFLICT_REFUSED": StatusCode.FAILED_PRECONDITION,
    "RESOLVER_FAILED": StatusCode.FAILED_PRECONDITION,
    "STORE_REFUSED": StatusCode.FAILED_PRECONDITION,
    "LIMIT_REACHED": StatusCode.RESOURCE_EXHAUSTED,
}
"""The code of each reason for which a change is rejected: names of `syncline.v1.ErrorReason`."""

_MESSAGE_LENGTH_MAX: Final = 500
"""A longer text is cut: it may quote a value or an exception, and is kept with the receipt."""


_FIELD_LENGTH_MAX: Final = 200
"""So is the path of a field: it may be a name that the schema does not have."""


class ChangeRefused(Exception):
    """A change breaks a rule. It ends as a verdict, never as an error of the stream."""

    def __init__(self, reason: str, rule: str, field: str = "") -> None:
        super().__init__(rule)
        self.refusal = refusal(reason, rule, field)


def refusal(reason: str, message: str, field: str = "", *, metadata: tuple[tuple[str, str], ...] = ()) -> ChangeRefusal:
    """A refusal with texts that every store can keep."""
    return ChangeRefusal(reason, _kept(message, _MESSAGE_LENGTH_MAX), _kept(field, _FIELD_LENGTH_MAX), metadata)


def invalid(rule: str, field: str) -> ChangeRefused:
    """The change breaks a rule of the schema or of changes."""
    return ChangeRefused("CHANGE_INVALID", rule, field)


def invalid_data(error: DataError, *, field: str = "") -> ChangeRefused:
    """A value that the change brings breaks a rule of the data; `field` is where if the value as a whole is meant."""
    return invalid(error.rule, error.path or field)


def refusal_status(refused: ChangeRefusal) -> status_pb2.Status:
    """The status in the answer to a rejected change."""
    more = [details.error_info(refused.reason, dict(refused.metadata))]
    if refused.field:
        more.append(details.bad_request([(refused.field, refused.message)]))
    message = f"{refused.field}: {refused.message}" if refused.field else refused.message
    return details.status(REFUSAL_CODES[refused.reason], message, more)


def _kept(text: str, length_max: int) -> str:
    return text[:length_max].replace("\0", "\\0").encode(errors="backslashreplace").decode()
