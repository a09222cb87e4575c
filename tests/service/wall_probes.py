"""What the matrix of walls plays: requests of every method, made from ids, and the permission that each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from syncline.v1 import app_enrollment_service_pb2 as enrollments_pb2
from syncline.v1 import (
    device_service_pb2,
    diagnostics_service_pb2,
    queue_pb2,
    schema_service_pb2,
    sync_service_pb2,
    upload_pb2,
)
from syncline.v1 import sync_request_pb2 as request_pb2
from syncline.v1 import sync_request_service_pb2 as service_pb2
from tests.service.requesting import row
from tests.service.uploading import insert
from tests.service.walls import Ids, file_messages

Probe: TypeAlias = Callable[[Ids, Ids], Message | Sequence[Message]]
"""Makes a request from the caller's own ids, and those that are tried."""


def _sync() -> dict[str, list[Probe]]:
    rejection = sync_service_pb2.Rejection(object_type="note", key="n1", revision=1)
    return {
        "StartSession": [
            lambda _, ids: sync_service_pb2.StartSessionRequest(
                positions=[queue_pb2.FeedPosition(scope="main", position=ids.position)], always=True
            ),
        ],
        "ReadQueue": [lambda _, ids: sync_service_pb2.ReadQueueRequest(session_id=ids.session_id)],
        "FetchQueue": [lambda _, ids: sync_service_pb2.FetchQueueRequest(session_id=ids.session_id)],
        "Acknowledge": [
            lambda _, ids: sync_service_pb2.AcknowledgeRequest(ack_keys=[ids.item_ack_key]),
            lambda _, ids: sync_service_pb2.AcknowledgeRequest(ack_keys=[ids.page_ack_key]),
            lambda _, ids: sync_service_pb2.AcknowledgeRequest(ack_keys=[ids.page_ack_key], rejections=[rejection]),
        ],
        "Upload": [
            lambda _, ids: upload_pb2.UploadRequest(store_epoch=ids.store_epoch),
            lambda own, ids: upload_pb2.UploadRequest(
                store_epoch=own.store_epoch,
                changes=[insert(9, str(uuid4()), text="x", _change_uuid=UUID(ids.change_uuid).bytes)],
            ),
        ],
        "ListConflicts": [
            lambda _, ids: upload_pb2.ListConflictsRequest(page_size=1, page_token=ids.conflicts_page),
            lambda _, ids: upload_pb2.ListConflictsRequest(object_type="merged", key=ids.record_key, all_devices=True),
        ],
        "Reconcile": [
            lambda _, ids: upload_pb2.ReconcileRequest(object_type="merged", keys=[ids.record_key], known_revision=99)
        ],
        "GetSchema": [lambda *_: sync_service_pb2.GetSchemaRequest()],
        "ConfirmWipe": [lambda *_: sync_service_pb2.ConfirmWipeRequest()],
    }


def _schemas() -> dict[str, list[Probe]]:
    return {
        "DiffSchema": [lambda *_: schema_service_pb2.DiffSchemaRequest()],
        "ApplySchema": [lambda *_: schema_service_pb2.ApplySchemaRequest()],
    }


def _requests() -> dict[str, list[Probe]]:
    def place(parent_id: str, number: int) -> service_pb2.BatchPlace:
        return service_pb2.BatchPlace(parent_sync_request_id=parent_id, current_batch=number, total_batches=3)

    return {
        "GetSyncRequest": [
            lambda _, ids: service_pb2.GetSyncRequestRequest(sync_request_id=ids.ended_id),
            lambda _, ids: service_pb2.GetSyncRequestRequest(sync_request_id=ids.parent_id),
        ],
        "CreateSyncRequest": [
            lambda _, ids: service_pb2.CreateSyncRequestRequest(app_enrollment_id=ids.enrollment_id),
            lambda own, ids: service_pb2.CreateSyncRequestRequest(
                app_enrollment_id=own.enrollment_id, request_id=ids.leased_id
            ),
        ],
        "CreateBatchImport": [
            lambda _, ids: service_pb2.CreateBatchImportRequest(app_enrollment_id=ids.enrollment_id, rows=[row("a")]),
            lambda _, ids: service_pb2.CreateBatchImportRequest(rows=[row("z")], batch=place(ids.parent_id, 2)),
            lambda _, ids: service_pb2.CreateBatchImportRequest(
                rows=[row("a", text=1), row("b", text=2)], request_id=ids.request_key
            ),
        ],
        "UploadBatch": [
            lambda _, ids: file_messages(app_enrollment_id=ids.enrollment_id),
            lambda _, ids: file_messages(batch=place(ids.parent_id, 3)),
            lambda _, ids: file_messages(request_id=ids.upload_key),
        ],
        "ListSyncRequests": [
            lambda _, ids: service_pb2.ListSyncRequestsRequest(
                order_by="created", page_size=1, page_token=ids.requests_page
            ),
            lambda _, ids: service_pb2.ListSyncRequestsRequest(filter=f"sync_request_id = '{ids.ended_id}'"),
        ],
        "WatchSyncRequest": [lambda _, ids: service_pb2.WatchSyncRequestRequest(sync_request_id=ids.ended_id)],
        "ListSyncRequestDetails": [
            lambda _, ids: service_pb2.ListSyncRequestDetailsRequest(sync_request_id=ids.ended_id),
            lambda own, ids: service_pb2.ListSyncRequestDetailsRequest(
                sync_request_id=own.ended_id, page_size=1, page_token=ids.details_page
            ),
        ],
        "WriteSyncRequestRows": [
            lambda _, ids: service_pb2.WriteSyncRequestRowsRequest(
                lease_token=ids.lease_token, sync_request_id=ids.leased_id, batch_number=1
            )
        ],
        "UpdateSyncRequest": [
            lambda _, ids: service_pb2.UpdateSyncRequestRequest(
                lease_token=ids.lease_token,
                sync_request=request_pb2.SyncRequest(
                    sync_request_id=ids.leased_id, status=request_pb2.SYNC_REQUEST_STATUS_SUCCESS
                ),
                update_mask=FieldMask(paths=["status"]),
            )
        ],
        "CancelSyncRequest": [lambda _, ids: service_pb2.CancelSyncRequestRequest(sync_request_id=ids.ready_id)],
        "RetrySyncRequest": [
            lambda _, ids: service_pb2.RetrySyncRequestRequest(sync_request_id=ids.ready_id),
        ],
        "LeaseSyncRequest": [lambda *_: service_pb2.LeaseSyncRequestRequest(worker="thief")],
    }


def _enrollments() -> dict[str, list[Probe]]:
    return {
        "CreateAppEnrollment": [
            lambda own, ids: enrollments_pb2.CreateAppEnrollmentRequest(
                app_enrollment=enrollments_pb2.AppEnrollment(
                    name=f"{ids.enrollment_name} of the matrix", connector="external"
                )
            )
        ],
        "GetAppEnrollment": [
            lambda _, ids: enrollments_pb2.GetAppEnrollmentRequest(app_enrollment_id=ids.enrollment_id)
        ],
        "ListAppEnrollments": [lambda *_: enrollments_pb2.ListAppEnrollmentsRequest()],
        "UpdateAppEnrollment": [
            lambda _, ids: enrollments_pb2.UpdateAppEnrollmentRequest(
                app_enrollment=enrollments_pb2.AppEnrollment(
                    app_enrollment_id=ids.spare_enrollment_id,
                    name="taken over",
                    connector="external",
                    modify_time=Timestamp(seconds=1),
                )
            )
        ],
        "DiscoverStreams": [lambda _, ids: enrollments_pb2.DiscoverStreamsRequest(app_enrollment_id=ids.enrollment_id)],
        "DeleteAppEnrollment": [
            lambda _, ids: enrollments_pb2.DeleteAppEnrollmentRequest(app_enrollment_id=ids.spare_enrollment_id)
        ],
        "ListConnectors": [lambda *_: enrollments_pb2.ListConnectorsRequest()],
    }


def _devices() -> dict[str, list[Probe]]:
    def by_uuid(kind: Any) -> list[Probe]:
        return [lambda _, ids: kind(device_uuid=ids.managed_uuid)]

    return {
        "ListDevices": [lambda _, ids: device_service_pb2.ListDevicesRequest(page_size=1, page_token=ids.devices_page)],
        "GetDevice": by_uuid(device_service_pb2.GetDeviceRequest),
        "ListRefusedItems": by_uuid(device_service_pb2.ListRefusedItemsRequest),
        "DisableDevice": by_uuid(device_service_pb2.DisableDeviceRequest),
        "EnableDevice": by_uuid(device_service_pb2.EnableDeviceRequest),
        "WipeDevice": by_uuid(device_service_pb2.WipeDeviceRequest),
        "RestoreParked": by_uuid(device_service_pb2.RestoreParkedRequest),
        "ForgetDevice": by_uuid(device_service_pb2.ForgetDeviceRequest),
        "ListAuditEntries": [
            lambda _, ids: device_service_pb2.ListAuditEntriesRequest(page_size=1, page_token=ids.audit_page)
        ],
    }


def _diagnostics() -> dict[str, list[Probe]]:
    return {
        "ExplainDelivery": [
            lambda _, ids: diagnostics_service_pb2.ExplainDeliveryRequest(
                object_type="note", key="n1", device_uuid=ids.device_uuid
            ),
            lambda own, ids: diagnostics_service_pb2.ExplainDeliveryRequest(
                object_type="merged", key=ids.record_key, device_uuid=own.device_uuid
            ),
        ]
    }


_OF_SERVICES: dict[str, dict[str, list[Probe]]] = {
    "DiagnosticsService": _diagnostics(),  # before calls make the other account's device UUID known here, too
    "SyncService": _sync(),
    "SchemaService": _schemas(),
    "SyncRequestService": _requests(),
    "AppEnrollmentService": _enrollments(),
    "DeviceService": _devices(),
}
PROBES = {f"/syncline.v1.{service}/{name}": of for service, all_ in _OF_SERVICES.items() for name, of in all_.items()}
OWN = {
    "ApplySchema": "FAILED_PRECONDITION",  # an empty one would take everything away
    "ConfirmWipe": "FAILED_PRECONDITION",  # nobody asked for it
    "UpdateAppEnrollment": "ABORTED",  # it was changed at another time
    "DiscoverStreams": "INVALID_ARGUMENT",  # a worker outside has no streams that could be looked at
}
"""How calls with own ids end that do not succeed."""

_PERMISSIONS: Mapping[str, Mapping[str, str]] = {
    "DiagnosticsService": {"devices": "ExplainDelivery"},
    "SyncService": {
        "sync": "StartSession ReadQueue FetchQueue Acknowledge ListConflicts Reconcile GetSchema ConfirmWipe",
        "sync.write": "Upload",
    },
    "SchemaService": {"schema.write": "DiffSchema ApplySchema"},
    "SyncRequestService": {
        "requests.read": "GetSyncRequest ListSyncRequests WatchSyncRequest ListSyncRequestDetails",
        "requests.write": "CreateSyncRequest CreateBatchImport UploadBatch CancelSyncRequest RetrySyncRequest"
        " LeaseSyncRequest WriteSyncRequestRows UpdateSyncRequest",
    },
    "AppEnrollmentService": {
        "requests.read": "GetAppEnrollment ListAppEnrollments ListConnectors",
        "requests.write": "CreateAppEnrollment UpdateAppEnrollment DeleteAppEnrollment DiscoverStreams",
    },
    "DeviceService": {
        "devices": "ListDevices GetDevice ListRefusedItems DisableDevice EnableDevice WipeDevice RestoreParked"
        " ForgetDevice",
        "admin": "ListAuditEntries",
    },
}
PERMISSIONS = {
    f"/syncline.v1.{service}/{name}": permission
    for service, of in _PERMISSIONS.items()
    for permission, names in of.items()
    for name in names.split()
}
"""The permission that each method needs, told anew: the server's own table may be wrong."""
