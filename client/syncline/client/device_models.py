"""Devices and the audit log, as clients see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from syncline.client.requests import checked
from syncline.v1 import device_service_pb2

_STATE_PREFIX = "DEVICE_STATE_"


class DeviceState(Enum):
    """What may become of a device's calls."""

    UNKNOWN = "unknown"
    """A state that only newer servers know."""
    ACTIVE = "active"
    EXPIRED = "expired"
    """It was away for too long, and must resynchronise in full."""
    DISABLED = "disabled"
    """Its calls are refused until it is enabled."""
    WIPING = "wiping"
    """It is to remove its copy, and has not said that it did."""
    WIPED = "wiped"


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device of the account, and how far it is."""

    device_uuid: UUID
    state: DeviceState
    principal: str
    """Who it belongs to."""
    client: str
    """What it said of itself: name, version and platform."""
    created_at: datetime
    last_contact_at: datetime
    """To within a minute."""
    lag: int
    """How many revisions it is behind; 0: it has everything."""
    holes: int
    """Gaps in what it has acknowledged."""
    refused_items: int
    """Items that it refused, and that come again in its next session."""
    parked_items: int
    """Items that it refused too often."""
    next_change_seq: int
    """The lowest number that no change of it was decided under."""
    settled_through: int
    """Up to where it has stored the verdicts of its changes."""
    upload_first: bool
    """WIPING: its unsent changes are taken before."""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item that a device cannot take."""

    object_type: str
    key: str
    revision: int
    reason: str
    count: int
    """In how many sessions it was refused."""
    parked: bool
    """It does not come again by itself."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One administrative act."""

    time: datetime
    principal: str
    """Who did it. `operator`: somebody at a command line of the server."""
    credential: str
    """What that was proved with."""
    action: str
    """Such as `device.disable`."""
    subject: str
    """What it was done to."""
    outcome: str
    details: Mapping[str, str] = field(default_factory=dict)


def device_from(message: device_service_pb2.Device) -> DeviceInfo:
    """The device."""
    name = device_service_pb2.DeviceState.Name(message.state) if message.state in _STATE_NUMBERS else ""
    return DeviceInfo(
        device_uuid=UUID(message.device_uuid),
        state=_STATES.get(name.removeprefix(_STATE_PREFIX).lower(), DeviceState.UNKNOWN),
        principal=message.principal,
        client=message.client,
        created_at=message.create_time.ToDatetime(UTC),
        last_contact_at=message.last_contact_time.ToDatetime(UTC),
        lag=message.lag,
        holes=message.holes,
        refused_items=message.refused_items,
        parked_items=message.parked_items,
        next_change_seq=message.next_change_seq,
        settled_through=message.settled_through,
        upload_first=message.upload_first,
    )


def refused_from(message: device_service_pb2.RefusedItem) -> RefusedItem:
    """The item."""
    return RefusedItem(
        message.object_type, message.key, message.revision, message.reason, message.count, message.parked
    )


def audit_from(message: device_service_pb2.AuditEntry) -> AuditEntry:
    """The act."""
    return AuditEntry(
        time=message.time.ToDatetime(UTC),
        principal=message.principal,
        credential=message.credential,
        action=message.action,
        subject=message.subject,
        outcome=message.outcome,
        details=dict(message.details),
    )


@checked
def restore_request(device_uuid: UUID | str, item: tuple[str, str] | None) -> device_service_pb2.RestoreParkedRequest:
    """A request of RestoreParked."""
    object_type, key = item or ("", "")
    return device_service_pb2.RestoreParkedRequest(device_uuid=str(device_uuid), object_type=object_type, key=key)


@checked
def audit_request(
    since: datetime | None, until: datetime | None, action: str, page_size: int | None
) -> device_service_pb2.ListAuditEntriesRequest:
    """A request of ListAuditEntries."""
    request = device_service_pb2.ListAuditEntriesRequest(action=action, page_size=page_size)
    if since is not None:
        request.since.FromDatetime(since)
    if until is not None:
        request.until.FromDatetime(until)
    return request


_STATES = {state.value: state for state in DeviceState}
_STATE_NUMBERS = frozenset(device_service_pb2.DeviceState.values())
