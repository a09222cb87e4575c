"""The matrix of walls (G9): every method, with own, foreign and absent ids, and with each permission and without."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from syncline.server.identity.permissions import NEEDED, Permission
from syncline.storage import Store, open_store
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
from tests.harness.callers import NamedCallers, caller
from tests.harness.server import running_app
from tests.harness.wire import WireDevice, frames, keys, next_page, note
from tests.service.requesting import row
from tests.service.uploading import SCHEMA, insert
from tests.service.walls import METHODS, Answer, Client, Ids, blurred, settle

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
    def place(parent_id: str) -> service_pb2.BatchPlace:
        return service_pb2.BatchPlace(parent_sync_request_id=parent_id, current_batch=2, total_batches=3)

    def file(**header: Any) -> list[Message]:
        content = b"PK"
        told = service_pb2.UploadBatchHeader(sha256=hashlib.sha256(content).digest(), size=len(content), **header)
        return [service_pb2.UploadBatchRequest(header=told), service_pb2.UploadBatchRequest(chunk=content)]

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
            lambda _, ids: service_pb2.CreateBatchImportRequest(rows=[row("z")], batch=place(ids.parent_id)),
            lambda _, ids: service_pb2.CreateBatchImportRequest(
                rows=[row("a", text=1), row("b", text=2)], request_id=ids.request_key
            ),
        ],
        "UploadBatch": [
            lambda _, ids: file(app_enrollment_id=ids.enrollment_id),
            lambda _, ids: file(batch=place(ids.parent_id)),
            lambda _, ids: file(request_id=ids.request_key),
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
                    app_enrollment_id=ids.spare_enrollment_id, name="taken over", connector="external"
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
    "UploadBatch": "INVALID_ARGUMENT",  # it is no archive, which is the last that is looked at
    "UpdateAppEnrollment": "INVALID_ARGUMENT",  # without the time at which it was changed last
    "DiscoverStreams": "INVALID_ARGUMENT",  # a worker outside has no streams that could be looked at
}
"""How calls with own ids end that do not succeed."""


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store of each kind, with two accounts."""
    store = open_store("memory:" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url"))
    for account_id in ("a", "b"):
        store.create_account(account_id)
        store.write_schema(account_id, SCHEMA, expected_version=0)
    yield store
    store.close()


@asynccontextmanager
async def serving(store: Store, callers: NamedCallers) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to a server over the store."""
    async with running_app(store, callers) as app, grpc.aio.insecure_channel(app.address) as channel:
        yield channel


def test_every_method_is_in_the_matrix_and_needs_a_permission() -> None:
    assert PROBES.keys() == METHODS.keys()
    assert NEEDED.keys() == METHODS.keys()


async def test_g9_foreign_ids_are_as_absent_ones_and_own_ones_work(store: Store) -> None:
    callers = NamedCallers({"of a": caller("a"), "of b": caller("b", "bob")})
    async with serving(store, callers) as channel:
        client = Client(channel, "of b")
        foreign = await settle(Client(channel, "of a"), store, "a")
        own = await settle(client, store, "b")
        before = _everything(store, "a", foreign)
        seen: dict[str, list[str]] = {}
        for path, probes in PROBES.items():
            for number, probe in enumerate(probes):
                absent = foreign.unlike()
                if _asks(probe, own, foreign) == _asks(probe, own, absent) and not _is_of_devices(path):
                    continue  # it names nothing
                for of_own_device in (True, False) if _is_of_devices(path) else (True,):
                    found = await _play(client, path, probe, own, foreign, of_own_device=of_own_device)
                    nothing = await _play(client, path, probe, own, absent, of_own_device=of_own_device)
                    if blurred(found, foreign) != blurred(nothing, absent):
                        seen[f"{path} {number}"] = [str(blurred(found, foreign)), str(blurred(nothing, absent))]
        assert seen == {}, "\n".join(f"{name}:\n  {one}\n  {other}" for name, (one, other) in seen.items())
        assert _everything(store, "a", foreign) == before

        ends = {
            f"{path} {number}": await _play(client, path, probe, own, own, of_own_device=True)
            for path, probes in PROBES.items()
            for number, probe in enumerate(probes)
        }
        wrong = {name: end for name, end in ends.items() if end.status != OWN.get(_method(name), "OK")}
        told = {name: value for name, end in ends.items() for value in foreign.unique() if value in str(end)}
        assert told == {}, "something of the other account was told"
        assert wrong == {}, "\n".join(f"{name}: {end}" for name, end in wrong.items())
        assert _everything(store, "a", foreign) == before


@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_each_method_is_let_in_with_its_permission_and_with_no_other(store: Store) -> None:
    callers = NamedCallers({str(one): caller("a", permissions=frozenset({one})) for one in Permission})
    async with serving(store, callers) as channel:
        for path, method in METHODS.items():
            for permission in Permission:
                request = GetMessageClass(method.input_type)()
                answer = await Client(channel, permission).answer(path, request, str(uuid4()))
                refused = (answer.status, answer.reason) == ("PERMISSION_DENIED", "PERMISSION_MISSING")
                assert refused == (permission is not NEEDED[path]), (path, permission, answer)


async def test_g9_two_accounts_may_use_the_same_names_at_the_same_time(store: Store) -> None:
    """Device UUIDs, request ids, keys and names; caches of the server that forgot the account would mix them."""
    callers = NamedCallers({"a": caller("a"), "b": caller("b", "bob")})
    device_uuid, reader, request_key = str(uuid4()), str(uuid4()), str(uuid4())
    async with serving(store, callers) as channel:
        clients = {account: Client(channel, account) for account in ("a", "b")}
        sync, asking = "/syncline.v1.SyncService/", "/syncline.v1.SyncRequestService/"
        enrolling = "/syncline.v1.AppEnrollmentService/"
        start = sync_service_pb2.StartSessionRequest(always=True)
        for account, client in clients.items():
            (started,) = await client.call(sync + "StartSession", start, device_uuid)
            assert started.account == account
            change = insert(1, "same", text=account, _change_uuid=UUID(device_uuid).bytes)
            request = upload_pb2.UploadRequest(store_epoch=started.store_epoch, changes=[change])
            (response,) = await client.call(sync + "Upload", request, device_uuid)
            assert upload_pb2.Verdict.Name(response.answers[0].verdict) == "VERDICT_APPLIED"
        for account, client in clients.items():
            (started,) = await client.call(sync + "StartSession", start, reader)
            reading = sync_service_pb2.ReadQueueRequest(session_id=started.session.id)
            pages = await client.call(sync + "ReadQueue", reading, reader)
            assert [frame.data for frame in frames(pages)] == [f'{{"text":"{account}"}}'.encode()]

            wanted = enrollments_pb2.CreateAppEnrollmentRequest(
                app_enrollment=enrollments_pb2.AppEnrollment(name="books", connector="external")
            )
            (enrollment,) = await client.call(enrolling + "CreateAppEnrollment", wanted)
            creation = service_pb2.CreateSyncRequestRequest(
                app_enrollment_id=enrollment.app_enrollment_id, request_id=request_key
            )
            (made,) = await client.call(asking + "CreateSyncRequest", creation)
            assert made.account_id == account
        found = {
            account: (await client.call(asking + "ListSyncRequests", service_pb2.ListSyncRequestsRequest()))[0]
            for account, client in clients.items()
        }
        assert {account: len(each.sync_requests) for account, each in found.items()} == {"a": 1, "b": 1}


async def test_g9_live_streams_of_two_accounts_with_one_device_uuid_go_on_side_by_side(store: Store) -> None:
    callers = NamedCallers({"a": caller("a"), "b": caller("b", "bob")})
    async with running_app(store, callers, poll_seconds=60) as app, grpc.aio.insecure_channel(app.address) as channel:
        streams = {}
        device_uuid = uuid4()
        for account in ("a", "b"):
            device = WireDevice(channel, device_uuid)
            device.metadata += (("authorization", f"Bearer {account}"),)
            streams[account] = device.stream(await device.start_id(always=True), follow=True)
            assert (await next_page(streams[account])).HasField("checkpoint")
        for account, stream in streams.items():
            store.write_records(account, [note(f"of {account}")])
            app.environment.notifier.head_moved(account, store.get_head(account).revision)
            assert keys([await next_page(stream)]) == [f"of {account}"]
            stream.cancel()


async def _play(client: Client, path: str, probe: Probe, own: Ids, ids: Ids, *, of_own_device: bool) -> Answer:
    request = probe(own, ids)
    device_uuid = own.device_uuid if of_own_device else ids.device_uuid
    if isinstance(request, upload_pb2.UploadRequest) and request.changes:
        device_uuid = str(uuid4())  # whose first change it is
    return await client.answer(path, request, device_uuid if _is_of_devices(path) else "")


def _asks(probe: Probe, own: Ids, ids: Ids) -> str:
    return str(probe(own, ids))


def _is_of_devices(path: str) -> bool:
    return path.startswith("/syncline.v1.SyncService/")


def _method(name: str) -> str:
    return name.rsplit("/", maxsplit=1)[-1].split(" ", maxsplit=1)[0]


def _everything(store: Store, account_id: str, ids: Ids) -> dict[str, Any]:
    """All that could be changed from outside."""
    device_uuid = UUID(ids.device_uuid)
    return {
        "head": store.get_head(account_id),
        "schema": store.read_schema(account_id),
        "devices": store.list_devices(account_id, after=None, limit=100),
        "grants": store.list_grants(account_id, device_uuid),
        "positions": store.list_positions(account_id, device_uuid),
        "rejections": store.list_rejections(account_id, device_uuid),
        "enrollments": store.list_enrollments(account_id),
        "requests": [store.get_request(account_id, one) for one in (ids.ended_id, ids.ready_id, ids.leased_id)],
        "parent": store.get_request(account_id, ids.parent_id),
    }
