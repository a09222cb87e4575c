"""Who did what: each call that administers an account is in its audit log, or is no administrative act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeAlias
from uuid import uuid4

import grpc
import pytest

from syncline.data.schema import Field, FieldType, Schema
from syncline.server.convert_schema import schema_message
from syncline.server.identity.permissions import NEEDED, Permission
from syncline.storage.audit_models import Act, AuditFilter
from syncline.v1 import (
    app_enrollment_service_pb2,
    device_service_pb2,
    device_service_pb2_grpc,
    schema_service_pb2,
    schema_service_pb2_grpc,
)
from tests.harness.server import NOTES, RunningApp
from tests.service.requesting import RequestCalls, row, status

ADMINISTRATIVE = {Permission.ADMIN, Permission.DEVICES, Permission.SCHEMA_WRITE, Permission.REQUESTS_WRITE}

NOT_AUDITED: Mapping[str, str] = {
    "SchemaService/DiffSchema": "reads",
    "SyncRequestService/CreateSyncRequest": "data flow: the sync request itself tells who asked for it",
    "SyncRequestService/CreateBatchImport": "data flow, likewise; a schema that its run infers is kept by the run",
    "SyncRequestService/UploadBatch": "data flow, likewise",
    "SyncRequestService/LeaseSyncRequest": "data flow: the work of a worker outside",
    "SyncRequestService/WriteSyncRequestRows": "data flow, likewise",
    "SyncRequestService/UpdateSyncRequest": "data flow, likewise",
    "AppEnrollmentService/DiscoverStreams": "reads, from the connected system",
    "DeviceService/ListDevices": "reads",
    "DeviceService/GetDevice": "reads",
    "DeviceService/ListRefusedItems": "reads",
    "DeviceService/ListAuditEntries": "reads",
    "DiagnosticsService/ExplainDelivery": "reads",
}


class Desk:
    """Somebody who administers the account `dev`."""

    def __init__(self, app: RunningApp, channel: grpc.aio.Channel) -> None:
        self.store = app.store
        self.calls = RequestCalls(channel)
        self.devices: device_service_pb2_grpc.DeviceServiceAsyncStub = device_service_pb2_grpc.DeviceServiceStub(
            channel
        )
        self.schemas: schema_service_pb2_grpc.SchemaServiceAsyncStub = schema_service_pb2_grpc.SchemaServiceStub(
            channel
        )

    def acts(self) -> list[Act]:
        """What is in the log, the oldest first."""
        return [entry.act for entry in self.store.list_acts("dev", AuditFilter(), before=None, limit=100)][::-1]

    def device(self) -> str:
        """A device that is there."""
        device_uuid = uuid4()
        self.store.register_device("dev", device_uuid, now=1)
        return str(device_uuid)

    async def apply_schema(self) -> str:
        """ApplySchema."""
        wider = replace(NOTES, fields=(*NOTES.fields, Field("stars", FieldType.INTEGER)))
        schema = schema_message(Schema(object_types=(wider,)))
        await self.schemas.ApplySchema(schema_service_pb2.ApplySchemaRequest(schema=schema))
        return "schema"

    async def cancel(self) -> str:
        """CancelSyncRequest."""
        made = await self.calls.create((await self.calls.enroll()).app_enrollment_id)
        await self.calls.cancel(made.sync_request_id)
        return made.sync_request_id

    async def retry(self) -> str:
        """RetrySyncRequest."""
        cancelled = await self.cancel()
        await self.calls.retry(cancelled)
        return cancelled

    async def enroll(self) -> str:
        """CreateAppEnrollment."""
        return (await self.calls.enroll()).app_enrollment_id

    async def update_enrollment(self) -> str:
        """UpdateAppEnrollment."""
        made = await self.calls.enroll()
        asked = app_enrollment_service_pb2.UpdateAppEnrollmentRequest(app_enrollment=made)
        return (await self.calls.enrollments.UpdateAppEnrollment(asked)).app_enrollment_id

    async def remove_enrollment(self) -> str:
        """DeleteAppEnrollment."""
        made = await self.calls.enroll()
        await self.calls.remove(made.app_enrollment_id)
        return made.app_enrollment_id

    async def disable(self) -> str:
        """DisableDevice."""
        named = self.device()
        await self.devices.DisableDevice(device_service_pb2.DisableDeviceRequest(device_uuid=named))
        return named

    async def enable(self) -> str:
        """EnableDevice."""
        named = self.device()
        await self.devices.EnableDevice(device_service_pb2.EnableDeviceRequest(device_uuid=named))
        return named

    async def forget(self) -> str:
        """ForgetDevice."""
        named = self.device()
        await self.devices.ForgetDevice(device_service_pb2.ForgetDeviceRequest(device_uuid=named))
        return named

    async def wipe(self) -> str:
        """WipeDevice."""
        named = self.device()
        await self.devices.WipeDevice(device_service_pb2.WipeDeviceRequest(device_uuid=named))
        return named

    async def restore(self) -> str:
        """RestoreParked."""
        named = self.device()
        await self.devices.RestoreParked(device_service_pb2.RestoreParkedRequest(device_uuid=named))
        return named


Doing: TypeAlias = Callable[[Desk], Awaitable[str]]
"""Makes a call that succeeds, and answers what it was about."""

AUDITED: Mapping[str, tuple[str, Doing]] = {
    "SchemaService/ApplySchema": ("schema.apply", Desk.apply_schema),
    "SyncRequestService/CancelSyncRequest": ("request.cancel", Desk.cancel),
    "SyncRequestService/RetrySyncRequest": ("request.retry", Desk.retry),
    "AppEnrollmentService/CreateAppEnrollment": ("enrollment.create", Desk.enroll),
    "AppEnrollmentService/UpdateAppEnrollment": ("enrollment.update", Desk.update_enrollment),
    "AppEnrollmentService/DeleteAppEnrollment": ("enrollment.delete", Desk.remove_enrollment),
    "DeviceService/DisableDevice": ("device.disable", Desk.disable),
    "DeviceService/EnableDevice": ("device.enable", Desk.enable),
    "DeviceService/ForgetDevice": ("device.forget", Desk.forget),
    "DeviceService/WipeDevice": ("device.wipe", Desk.wipe),
    "DeviceService/RestoreParked": ("device.restore", Desk.restore),
}


@pytest.fixture
async def desk(in_process_server: RunningApp) -> AsyncIterator[Desk]:
    """An administrator of the server in process."""
    async with grpc.aio.insecure_channel(in_process_server.address) as channel:
        yield Desk(in_process_server, channel)


def test_every_administrative_call_is_audited_or_has_a_reason_not_to_be() -> None:
    administrative = {
        path.removeprefix("/syncline.v1.") for path, permission in NEEDED.items() if permission in ADMINISTRATIVE
    }
    assert AUDITED.keys() | NOT_AUDITED.keys() == administrative
    assert not AUDITED.keys() & NOT_AUDITED.keys()


@pytest.mark.parametrize("store", ["memory"], indirect=True)
@pytest.mark.parametrize("method", AUDITED)
async def test_a_call_is_in_the_audit_log_with_who_made_it(desk: Desk, method: str) -> None:
    action, do = AUDITED[method]
    subject = await do(desk)
    act = desk.acts()[-1]
    assert (act.action, act.subject) == (action, subject)
    assert (act.principal, act.credential) == ("developer", "development")


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_a_schema_that_a_run_infers_is_in_the_audit_log(desk: Desk) -> None:
    made = await desk.calls.load([row("a", stars=3)], infer_schema=True)
    assert status(await desk.calls.ended(made.sync_request_id)) == "SUCCESS"
    (act,) = desk.acts()
    assert (act.action, act.subject, act.credential) == ("schema.infer", "schema", "worker")
    assert act.details["sync_request"] == made.sync_request_id
    assert "note" in act.details["changed"]
