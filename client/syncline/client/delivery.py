"""Where a record stands on its way to a device, as an application sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Literal
from uuid import UUID

from syncline.client.request_messages import request_status
from syncline.client.request_models import SyncRequestStatus
from syncline.client.requests import checked
from syncline.v1 import diagnostics_service_pb2


class DeliveryStep(Enum):
    """Where a record stands."""

    UNKNOWN = "unknown"
    """A step that this version does not know."""
    ON_DEVICE = "on_device"
    """The device has acknowledged the record at its present revision."""
    TYPE_UNKNOWN = "type_unknown"
    """The schema has no such object type."""
    NO_SUCH_DEVICE = "no_such_device"
    """No device of this UUID ever made contact."""
    NO_SUCH_RECORD = "no_such_record"
    """There is no such record, and nothing that is known to bring it."""
    IN_SYNC_REQUEST = "in_sync_request"
    """There is no such record yet; a sync request that brings it, or may do so, waits, runs, failed, or refused it."""
    REJECTED_CHANGE = "rejected_change"
    """The device's own change of the record was refused, and the record has not changed since."""
    DELETED = "deleted"
    """The record was deleted; `Delivery.delete_step` says where the delete stands."""
    NOT_GRANTED = "not_granted"
    """The record is in a bucket that the device is not granted."""
    DEVICE_EXPIRED = "device_expired"
    """The device was away for too long, and must resynchronise in full."""
    DEVICE_NOT_SEEN = "device_not_seen"
    """The device was not in contact since the record changed."""
    NEWER_THAN_POSITION = "newer_than_position"
    """The record is newer than what the device has read."""
    DELIVERED_NOT_ACKNOWLEDGED = "delivered_not_acknowledged"
    """The record was handed out, and is not acknowledged."""
    HOLE = "hole"
    """The device has acknowledged later records, and not this one."""
    REJECTED = "rejected"
    """The device rejected the record; it is sent again in the next session."""
    PARKED = "parked"
    """The device rejected the record too often; it is not sent again until it changes or is put back."""


_STEPS = {
    diagnostics_service_pb2.DeliveryStep.Value(f"DELIVERY_STEP_{step.name}"): step
    for step in DeliveryStep
    if step is not DeliveryStep.UNKNOWN
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether a device has a record, and if not, why."""

    step: DeliveryStep
    since: datetime | None
    """Since when it stands there, as far as that is kept: else since when it could at the earliest, or None."""
    read_at: datetime
    """When this was found out, by the server's clock."""
    delete_step: DeliveryStep | None
    """DELETED: where the delete stands; ON_DEVICE: the device knows of it. Else None."""
    revision: int
    """The record's present one; 0 if there is none."""
    acknowledged: bool
    """The device has acknowledged this revision."""
    acknowledged_through: int
    """Up to where the device has acknowledged everything of the record's feed."""
    scope: str
    bucket: str
    reason: str
    """Why it stands there, where somebody or something gave a reason; else empty."""
    session_id: str
    """The device's session that the step is about; empty: none."""
    sync_request_id: str
    """IN_SYNC_REQUEST: the sync request; else empty."""
    sync_request_status: SyncRequestStatus | None
    """IN_SYNC_REQUEST: how it stands; else None."""
    trace_id: str
    """The trace in which the record was written; empty: that was not traced."""
    last_contact_at: datetime | None
    """When the device was last in contact, to the minute; None: never."""
    facts: tuple[str, ...]
    """What else is known, in words."""


@checked
def explain_delivery_request(
    object_type: str, key: str, device_uuid: UUID | str
) -> diagnostics_service_pb2.ExplainDeliveryRequest:
    """A request of ExplainDelivery."""
    return diagnostics_service_pb2.ExplainDeliveryRequest(
        object_type=object_type, key=key, device_uuid=str(device_uuid)
    )


def delivery_from(message: diagnostics_service_pb2.ExplainDeliveryResponse) -> Delivery:
    """The answer. A step that only newer servers know reads as UNKNOWN."""
    return Delivery(
        step=_STEPS.get(message.step, DeliveryStep.UNKNOWN),
        since=_time(message, "since_time"),
        read_at=message.read_time.ToDatetime(UTC),
        delete_step=_STEPS.get(message.delete_step, DeliveryStep.UNKNOWN) if message.delete_step else None,
        revision=message.revision,
        acknowledged=message.acknowledged,
        acknowledged_through=message.acknowledged_through,
        scope=message.scope,
        bucket=message.bucket,
        reason=message.reason,
        session_id=message.session_id,
        sync_request_id=message.sync_request_id,
        sync_request_status=request_status(message.sync_request_status) if message.sync_request_id else None,
        trace_id=message.trace_id,
        last_contact_at=_time(message, "last_contact_time"),
        facts=tuple(message.facts),
    )


def _time(
    message: diagnostics_service_pb2.ExplainDeliveryResponse, field: Literal["since_time", "last_contact_time"]
) -> datetime | None:
    return getattr(message, field).ToDatetime(UTC) if message.HasField(field) else None
