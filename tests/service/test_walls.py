"""The walls between accounts (G9): the matrix of all methods, permissions and ids, over every store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest

from syncline.server.identity.permissions import NEEDED
from syncline.storage import Store, open_store
from syncline.v1 import app_enrollment_service_pb2 as enrollments_pb2
from syncline.v1 import sync_request_service_pb2 as service_pb2
from syncline.v1 import sync_service_pb2, upload_pb2
from tests.harness.bearers import Bearer, api_keys_of, token_of
from tests.harness.callers import NamedCallers, caller
from tests.harness.server import running_app
from tests.harness.wire import WireDevice, frames, keys, next_page, note
from tests.service.uploading import SCHEMA, insert
from tests.service.wall_matrix import MATRIX, open_world
from tests.service.wall_probes import PERMISSIONS, PROBES
from tests.service.walls import METHODS, Client


def new_store(kind: str, request: pytest.FixtureRequest) -> Store:
    """An empty store of the kind."""
    return open_store("memory:" if kind == "memory" else request.getfixturevalue(f"{kind}_url"), durable=False)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store of each kind, with two accounts."""
    store = new_store(request.param, request)
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


def test_every_method_is_in_the_matrix_and_needs_the_permission_that_it_should() -> None:
    assert PROBES.keys() == METHODS.keys()
    assert all(PROBES.values())
    assert NEEDED == PERMISSIONS


@pytest.mark.parametrize(
    ("kind", "credential"), [("memory", "token"), ("memory", "API key"), ("sqlite", "token"), ("postgres", "token")]
)
async def test_g9_the_whole_matrix_holds(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, credential: str
) -> None:
    """Every method x every permission x own, foreign and absent ids. Each check is said in `wall_matrix`."""
    with closing(new_store(kind, request)) as store:
        bearer: Bearer = token_of if credential == "token" else api_keys_of(store)
        async with open_world(store, bearer, tmp_path) as world:
            for check in MATRIX:
                await check(world)


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
