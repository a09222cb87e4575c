"""The names under which fields of sync requests are filtered and ordered by."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from lark import Token

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight.tokens import position_of

PUBLIC_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sync_request_id": "request_id",
        "status": "status",
        "operation": "operation",
        "operation_name": "operation",
        "result_message": "result_message",
        "failure_count": "failure_count",
        "run_full_sync": "run_full_sync",
        "app_enrollment_id": "enrollment_id",
        "create_time": "created_at",
        "modify_time": "modified_at",
        "modified_by": "modified_by",
        "due_time": "due_at",
        "parent_sync_request_id": "parent_id",
        "current_batch": "current_batch",
        "total_batches": "total_batches",
        "retry_of": "retry_of",
        "progress.read": "rows_read",
        "progress.inserted": "rows_inserted",
        "progress.updated": "rows_updated",
        "progress.deleted": "rows_deleted",
        "progress.skipped": "rows_skipped",
        "progress.failed": "rows_failed",
    }
)
"""Those of the message SyncRequest, and the store's field that each means."""

ADS_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "statusCode": "status",
        "operationTypeName": "operation",
        "processResultMessage": "result_message",
        "created": "created_at",
        "modified": "modified_at",
        "modifiedUserId": "modified_by",
    }
)
"""Those of the ADS API that are not ours as JSON writes them, such as `syncRequestId`."""

_NAMES_SHOWN_MAX: Final = 3


def _plain(name: str) -> str:
    """The same for all ways to write a name: capitals and underscores tell nothing apart."""
    return name.replace("_", "").lower()


_FIELDS: Final = {_plain(name): field for name, field in (*PUBLIC_NAMES.items(), *ADS_NAMES.items())}


def stored_field(token: Token, where: str) -> str:
    """The store's field that a name means.

    Args:
        token: the name.
        where: the request's field, `filter` or `order_by`.

    Raises:
        FilterInvalid: there is no such field.
    """
    field = _FIELDS.get(_plain(token))
    if field is not None:
        return field
    spelled = {_plain(name): name for name in (*PUBLIC_NAMES, *ADS_NAMES)}
    near = [spelled[name] for name in get_close_matches(_plain(token), spelled, _NAMES_SHOWN_MAX)]
    message = f"there is no field {str(token)[:40]!r}"
    if near:
        message += f"; the nearest: {', '.join(near)}"
    raise FilterInvalid(position_of(token), ", ".join(PUBLIC_NAMES), message, field=where)
