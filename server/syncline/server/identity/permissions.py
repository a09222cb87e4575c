"""What each call needs: the one table of permissions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """A right of a caller, as tokens and API keys name it."""

    SYNC = "sync"
    """Receive records as a device, and acknowledge them."""
    SYNC_WRITE = "sync.write"
    """Upload the changes of a device."""
    REQUESTS_READ = "requests.read"
    """See sync requests, enrollments and connectors."""
    REQUESTS_WRITE = "requests.write"
    """Make, cancel and repeat sync requests, write rows for them, and change enrollments."""
    SCHEMA_WRITE = "schema.write"
    """Change the schema."""
    DEVICES = "devices"
    """See and manage all devices of the account."""
    ADMIN = "admin"
    """Manage API keys, and read the audit log."""


def known_permissions(names: Collection[str]) -> frozenset[Permission]:
    """The permissions with these names. Names that mean nothing here are left out: tokens serve other systems, too."""
    return frozenset(permission for permission in Permission if permission in names)


_NEEDS: Final[Mapping[str, Mapping[str, Permission]]] = {
    "SyncService": {
        "StartSession": Permission.SYNC,
        "ReadQueue": Permission.SYNC,
        "FetchQueue": Permission.SYNC,
        "Acknowledge": Permission.SYNC,
        "Upload": Permission.SYNC_WRITE,
        "ListConflicts": Permission.SYNC,
        "Reconcile": Permission.SYNC,
        "GetSchema": Permission.SYNC,
        "ConfirmWipe": Permission.SYNC,
    },
    "SchemaService": {
        "ApplySchema": Permission.SCHEMA_WRITE,
        "DiffSchema": Permission.SCHEMA_WRITE,
    },
    "SyncRequestService": {
        "CreateSyncRequest": Permission.REQUESTS_WRITE,
        "CreateBatchImport": Permission.REQUESTS_WRITE,
        "UploadBatch": Permission.REQUESTS_WRITE,
        "GetSyncRequest": Permission.REQUESTS_READ,
        "ListSyncRequests": Permission.REQUESTS_READ,
        "CancelSyncRequest": Permission.REQUESTS_WRITE,
        "RetrySyncRequest": Permission.REQUESTS_WRITE,
        "WatchSyncRequest": Permission.REQUESTS_READ,
        "ListSyncRequestDetails": Permission.REQUESTS_READ,
        "LeaseSyncRequest": Permission.REQUESTS_WRITE,
        "WriteSyncRequestRows": Permission.REQUESTS_WRITE,
        "UpdateSyncRequest": Permission.REQUESTS_WRITE,
    },
    "AppEnrollmentService": {
        "CreateAppEnrollment": Permission.REQUESTS_WRITE,
        "GetAppEnrollment": Permission.REQUESTS_READ,
        "ListAppEnrollments": Permission.REQUESTS_READ,
        "UpdateAppEnrollment": Permission.REQUESTS_WRITE,
        "DeleteAppEnrollment": Permission.REQUESTS_WRITE,
        "DiscoverStreams": Permission.REQUESTS_WRITE,
        "ListConnectors": Permission.REQUESTS_READ,
    },
    "DeviceService": {
        "ListDevices": Permission.DEVICES,
        "GetDevice": Permission.DEVICES,
        "ListRefusedItems": Permission.DEVICES,
        "DisableDevice": Permission.DEVICES,
        "EnableDevice": Permission.DEVICES,
        "ForgetDevice": Permission.DEVICES,
        "WipeDevice": Permission.DEVICES,
        "RestoreParked": Permission.DEVICES,
        "ListAuditEntries": Permission.ADMIN,
    },
    "DiagnosticsService": {
        "ExplainDelivery": Permission.DEVICES,
    },
}

NEEDED: Final[Mapping[str, Permission]] = {
    f"/syncline.v1.{service}/{method}": permission
    for service, methods in _NEEDS.items()
    for method, permission in methods.items()
}
"""The permission that each method needs. One that is not named here is refused to everybody."""
