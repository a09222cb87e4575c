"""Devices and audit entries as messages, from storage's models."""

from __future__ import annotations

from typing import Final

from syncline.server.convert_time import timestamp
from syncline.storage.audit_models import AuditEntry
from syncline.storage.models import Device, DeviceAccess, DeviceReport, DeviceState, Rejection
from syncline.v1 import device_service_pb2

_STATES: Final = {
    DeviceAccess.DISABLED: device_service_pb2.DEVICE_STATE_DISABLED,
    DeviceAccess.WIPING: device_service_pb2.DEVICE_STATE_WIPING,
    DeviceAccess.WIPED: device_service_pb2.DEVICE_STATE_WIPED,
}


def device_message(report: DeviceReport) -> device_service_pb2.Device:
    """The device and how far it is."""
    device = report.device
    return device_service_pb2.Device(
        device_uuid=str(device.device_uuid),
        state=_state(device),
        principal=device.principal,
        client=device.client,
        create_time=timestamp(device.created_at),
        last_contact_time=timestamp(device.last_contact),
        lag=report.lag,
        holes=report.holes,
        refused_items=report.refused,
        parked_items=report.parked,
        next_change_seq=device.next_change_seq,
        settled_through=device.settled_through,
        upload_first=device.upload_first and device.access is DeviceAccess.WIPING,
    )


def refused_message(rejection: Rejection) -> device_service_pb2.RefusedItem:
    """An item that a device cannot take."""
    return device_service_pb2.RefusedItem(
        object_type=rejection.object_type,
        key=rejection.key,
        revision=rejection.revision,
        reason=rejection.reason,
        count=rejection.count,
        parked=rejection.parked,
    )


def audit_message(entry: AuditEntry) -> device_service_pb2.AuditEntry:
    """An administrative act."""
    act = entry.act
    return device_service_pb2.AuditEntry(
        time=timestamp(act.happened_at),
        principal=act.principal,
        credential=act.credential,
        action=act.action,
        subject=act.subject,
        outcome=act.outcome,
        details=act.details,
    )


def _state(device: Device) -> device_service_pb2.DeviceState.ValueType:
    if device.access is DeviceAccess.ENABLED:
        is_active = device.state is DeviceState.ACTIVE
        return device_service_pb2.DEVICE_STATE_ACTIVE if is_active else device_service_pb2.DEVICE_STATE_EXPIRED
    return _STATES[device.access]
