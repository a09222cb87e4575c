"""Requests of DeviceService: checked, and turned into what the calls work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.server import limits
from syncline.server.environment import Environment, now_us
from syncline.server.page_tokens import ListAsked, decode_page
from syncline.server.violations import Violations
from syncline.storage.audit_models import AuditFilter, AuditPlace
from syncline.storage.filters import FieldKind
from syncline.v1 import device_service_pb2

_PAGE_DEFAULT: Final = 100
_DEVICE_PLACE: Final = (FieldKind.TEXT,)
_AUDIT_PLACE: Final = (FieldKind.TIME, FieldKind.INTEGER)


@dataclass(frozen=True, slots=True)
class DevicesPage:
    """One page of devices that is asked for."""

    asked: ListAsked
    after: UUID | None
    limit: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the audit log that is asked for."""

    asked: ListAsked
    wanted: AuditFilter
    before: AuditPlace | None
    limit: int


@dataclass(frozen=True, slots=True)
class ParkedItems:
    """Parked items of a device that are to come again."""

    device_uuid: UUID
    item: tuple[str, str] | None
    """None: all of them."""


def device_of(device_uuid: str) -> UUID:
    """The device that is named, or `InvalidRequest`."""
    found = Violations()
    text = found.uuid("device_uuid", device_uuid, required=True)
    found.raise_if_any()
    return UUID(text)


def devices_page(env: Environment, request: device_service_pb2.ListDevicesRequest) -> DevicesPage:
    """What is asked for.

    Raises:
        InvalidRequest: a field breaks its rule.
        PageTokenInvalid: the token is none of this list.
    """
    found = Violations()
    size = found.page_size(request, _PAGE_DEFAULT, limits.DEVICES_PAGE_MAX)
    found.raise_if_any()
    asked = ListAsked("ListDevices", env.account_id)
    after = None
    if request.page_token:
        (text,) = decode_page(env.sealer(), asked, request.page_token, _DEVICE_PLACE).after
        after = UUID(str(text))
    return DevicesPage(asked, after, size)


def audit_page(env: Environment, request: device_service_pb2.ListAuditEntriesRequest) -> AuditPage:
    """What is asked for. Raises as `devices_page` does."""
    found = Violations()
    size = found.page_size(request, _PAGE_DEFAULT, limits.AUDIT_PAGE_MAX)
    found.text("action", request.action, limits.ACTION_CHARS_MAX)
    since = _time("since", request.since, found) if request.HasField("since") else None
    until = _time("until", request.until, found) if request.HasField("until") else None
    found.raise_if_any()
    asked = ListAsked("ListAuditEntries", env.account_id, f"{since} {until} {request.action}")
    before = None
    if request.page_token:
        happened_at, entry_id = decode_page(env.sealer(), asked, request.page_token, _AUDIT_PLACE).after
        before = AuditPlace(int(happened_at or 0), int(entry_id or 0))
    return AuditPage(asked, AuditFilter(since, until, request.action or None), before, size)


def parked_items(request: device_service_pb2.RestoreParkedRequest) -> ParkedItems:
    """What is to come again, or `InvalidRequest`."""
    found = Violations()
    text = found.uuid("device_uuid", request.device_uuid, required=True)
    found.text("object_type", request.object_type, limits.OBJECT_TYPE_CHARS_MAX, required=bool(request.key))
    found.text("key", request.key, limits.RECORD_KEY_CHARS_MAX)
    found.raise_if_any()
    return ParkedItems(UUID(text), (request.object_type, request.key) if request.object_type else None)


def _time(field: str, value: Timestamp, found: Violations) -> int:
    """A time in microseconds since the epoch."""
    try:
        value.ToJsonString()  # it has the rules of what a time is
    except ValueError:
        found.add(field, "must be a time from the year 1 to 9999")
        return 0
    return min(value.ToMicroseconds(), now_us() * 2)
