"""Walls inside an account: devices of principals, and the buckets that credentials claim."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import grpc
import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Relationship, Schema
from syncline.server.acts import act_of_operator
from syncline.server.identity.authenticator import DevelopmentAuthenticator
from syncline.storage import Store, open_store
from syncline.v1 import sync_service_pb2, upload_pb2
from tests.harness.callers import NamedCallers, caller
from tests.harness.server import NOTES, RunningApp, running_app
from tests.harness.wire import keys, note
from tests.service.uploading import insert, reason, update
from tests.service.walls import Client

SYNC = "/syncline.v1.SyncService/"
TASKS = ObjectType(
    "task",
    "work",
    (Field("text", FieldType.STRING), Field("note", FieldType.STRING)),
    relationships=(Relationship("of", ("note",), "note"),),
)
START = sync_service_pb2.StartSessionRequest(always=True)


@dataclass(frozen=True)
class Served:
    """A server and whom it knows."""

    app: RunningApp
    callers: NamedCallers
    channel: grpc.aio.Channel

    def client(self, principal: str, buckets: Mapping[str, frozenset[str]] | None = None) -> Client:
        """A client of a principal whose credential claims these buckets."""
        token = f"{principal} {sorted((buckets or {}).items())}"
        self.callers.callers[token] = caller("acme", principal, buckets=buckets)
        return Client(self.channel, token)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store of each kind; a note and a task in each of the buckets `north`, `south` and the default one."""
    store = open_store("memory:" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url"))
    store.create_account("acme")
    store.write_schema("acme", Schema(object_types=(NOTES, TASKS)), expected_version=0)
    store.write_records("acme", [note(f"n-{bucket}", bucket=bucket) for bucket in ("", "north", "south")])
    yield store
    store.close()


@pytest.fixture
async def served(store: Store) -> AsyncIterator[Served]:
    callers = NamedCallers()
    async with running_app(store, callers) as app, grpc.aio.insecure_channel(app.address) as channel:
        yield Served(app, callers, channel)


async def synced(client: Client, device_uuid: str) -> list[str]:
    """The keys that a session brings."""
    (started,) = await client.call(SYNC + "StartSession", START, device_uuid)
    reading = sync_service_pb2.ReadQueueRequest(session_id=started.session.id)
    return sorted(keys(await client.call(SYNC + "ReadQueue", reading, device_uuid)))


async def uploaded(client: Client, device_uuid: str, *changes: upload_pb2.Change) -> list[str]:
    """The verdicts, or the reasons of refusals."""
    (started,) = await client.call(SYNC + "StartSession", START, device_uuid)
    request = upload_pb2.UploadRequest(store_epoch=started.store_epoch, changes=changes)
    (response,) = await client.call(SYNC + "Upload", request, device_uuid)
    return [
        reason(answer) if answer.HasField("status") else upload_pb2.Verdict.Name(answer.verdict)
        for answer in response.answers
    ]


def buckets(*names: str, scope: str = "main") -> dict[str, frozenset[str]]:
    return {scope: frozenset(names)}


async def test_a_device_is_used_by_the_principal_that_used_it_first(served: Served, store: Store) -> None:
    device_uuid = str(uuid4())
    assert await synced(served.client("ann"), device_uuid) == ["n-"]
    before = store.get_device("acme", UUID(device_uuid))

    for path, request in (
        ("StartSession", START),
        ("ReadQueue", sync_service_pb2.ReadQueueRequest(session_id=before.session_id)),
        ("FetchQueue", sync_service_pb2.FetchQueueRequest(session_id=before.session_id)),
        ("Acknowledge", sync_service_pb2.AcknowledgeRequest()),
        ("Upload", upload_pb2.UploadRequest()),
        ("ListConflicts", upload_pb2.ListConflictsRequest()),
        ("Reconcile", upload_pb2.ReconcileRequest(object_type="note")),
        ("GetSchema", sync_service_pb2.GetSchemaRequest()),
        ("ConfirmWipe", sync_service_pb2.ConfirmWipeRequest()),
    ):
        answer = await served.client("bob").answer(SYNC + path, request, device_uuid)
        assert (answer.status, answer.reason) == ("PERMISSION_DENIED", "DEVICE_OF_ANOTHER"), path
        assert answer.text == "the device belongs to another principal; a device is used by one"
    assert store.get_device("acme", UUID(device_uuid)) == before
    assert await synced(served.client("ann"), device_uuid) == ["n-"]


async def test_a_device_of_nobody_goes_to_the_first_who_proves_who_he_is(store: Store) -> None:
    device_uuid = str(uuid4())
    async with (
        running_app(store, DevelopmentAuthenticator("acme")) as app,
        grpc.aio.insecure_channel(app.address) as channel,
    ):
        assert await synced(Client(channel, "any"), device_uuid) == ["n-"]
    assert store.get_device("acme", UUID(device_uuid)).principal == ""

    callers = NamedCallers({"ann": caller("acme", "ann"), "bob": caller("acme", "bob")})
    async with running_app(store, callers) as app, grpc.aio.insecure_channel(app.address) as channel:
        assert await synced(Client(channel, "ann"), device_uuid) == ["n-"]
        answer = await Client(channel, "bob").answer(SYNC + "StartSession", START, device_uuid)
    assert answer.reason == "DEVICE_OF_ANOTHER"


async def test_a_device_that_was_forgotten_is_free(served: Served, store: Store) -> None:
    device_uuid = str(uuid4())
    await synced(served.client("ann"), device_uuid)
    # As by another server: this one still knows it.
    store.forget_device("acme", UUID(device_uuid), act=act_of_operator("device.forget", device_uuid))

    assert await synced(served.client("bob"), device_uuid) == ["n-"]
    answer = await served.client("ann").answer(SYNC + "GetSchema", sync_service_pb2.GetSchemaRequest(), device_uuid)
    assert answer.reason == "DEVICE_OF_ANOTHER"


async def test_g9_a_device_gets_exactly_the_buckets_that_are_claimed(served: Served, store: Store) -> None:
    device_uuid = str(uuid4())
    assert await synced(served.client("ann", buckets("north")), device_uuid) == ["n-north"]
    assert await synced(served.client("ann", buckets("north", "south")), device_uuid) == ["n-north", "n-south"]
    assert await synced(served.client("ann", buckets()), device_uuid) == []
    assert store.list_grants("acme", UUID(device_uuid)) == {}
    assert await synced(served.client("ann", buckets("south")), device_uuid) == ["n-south"]


async def test_g9_what_is_not_claimed_any_more_is_refused_at_once(served: Served, store: Store) -> None:
    """Not only at the next session: another call with the new claims comes first."""
    device_uuid = str(uuid4())
    (started,) = await served.client("ann", buckets("north")).call(SYNC + "StartSession", START, device_uuid)
    reading = sync_service_pb2.ReadQueueRequest(session_id=started.session.id)

    answer = await served.client("ann", buckets("south")).answer(SYNC + "ReadQueue", reading, device_uuid)

    assert (answer.status, answer.reason) == ("FAILED_PRECONDITION", "RESYNC_REQUIRED")


async def test_g9_keys_outside_of_the_claims_are_as_absent_ones(served: Served) -> None:
    client, device_uuid = served.client("ann", buckets("north")), str(uuid4())
    verdicts = await uploaded(
        client,
        device_uuid,
        insert(1, "new", "note", id="new", _bucket="south"),
        insert(2, "n-south", "note", id="n-south", _bucket="north"),
        update(3, "n-", "note", seen={"text": ""}, text="x", _base_revision=1),
        update(4, "nothing", "note", seen={"text": ""}, text="x", _base_revision=1),
    )
    assert verdicts[:2] == ["BUCKET_NOT_GRANTED", "KEY_TAKEN"]
    assert verdicts[2] == verdicts[3]
    for key in ("n-south", "nothing"):
        request = upload_pb2.ReconcileRequest(object_type="note", bucket="north", keys=[key], known_revision=9)
        (found,) = await client.call(SYNC + "Reconcile", request, device_uuid)
        assert found == upload_pb2.ReconcileResponse()


async def test_g9_object_types_of_scopes_that_are_not_claimed_are_not_there(served: Served) -> None:
    """Their bucket is granted, for another scope."""
    client, device_uuid = served.client("ann", buckets("north", scope="work")), str(uuid4())
    assert await synced(client, device_uuid) == []
    (schema,) = await client.call(SYNC + "GetSchema", sync_service_pb2.GetSchemaRequest(), device_uuid)
    assert [kind.name for kind in schema.schema.object_types] == ["task"]
    assert not schema.schema.object_types[0].relationships
    wanted = sync_service_pb2.StartSessionRequest(scopes=["main"])
    absent = sync_service_pb2.StartSessionRequest(scopes=["none"])
    assert (await client.answer(SYNC + "StartSession", wanted, device_uuid)).reason == "SCOPE_NOT_FOUND"
    assert (await client.answer(SYNC + "StartSession", absent, device_uuid)).reason == "SCOPE_NOT_FOUND"
    for object_type in ("note", "nothing"):
        request = upload_pb2.ReconcileRequest(object_type=object_type, bucket="north")
        assert (await client.answer(SYNC + "Reconcile", request, device_uuid)).reason == "OBJECT_TYPE_NOT_FOUND"
        refused = sync_service_pb2.Rejection(object_type=object_type, key="n-north", revision=2)
        telling = sync_service_pb2.AcknowledgeRequest(rejections=[refused])
        (told,) = await client.call(SYNC + "Acknowledge", telling, device_uuid)
        assert (told.acknowledged, told.stale, list(told.failed_objects)) == (0, 1, [])
    mine, none = await uploaded(
        client,
        device_uuid,
        update(1, "n-north", "note", seen={"text": ""}, text="x", _base_revision=1),
        update(2, "n-north", "nothing", seen={"text": ""}, text="x", _base_revision=1),
    )
    assert mine == none
    for object_type in ("note", "nothing"):
        asked = upload_pb2.ListConflictsRequest(object_type=object_type)
        (found,) = await client.call(SYNC + "ListConflicts", asked, device_uuid)
        assert not found.conflicts


async def test_g9_claims_that_differ_between_scopes_are_refused(served: Served) -> None:
    claims = buckets("north") | buckets("south", scope="work")
    answer = await served.client("ann", claims).answer(SYNC + "StartSession", START, str(uuid4()))
    assert (answer.status, answer.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


async def test_g9_a_copied_token_is_of_no_use_to_another_device(served: Served) -> None:
    client, device_uuid, other = served.client("ann"), str(uuid4()), str(uuid4())
    (started,) = await client.call(SYNC + "StartSession", START, device_uuid)
    reading = sync_service_pb2.ReadQueueRequest(session_id=started.session.id)
    (page,) = await client.call(SYNC + "ReadQueue", reading, device_uuid)
    acknowledging = sync_service_pb2.AcknowledgeRequest(ack_keys=[page.page_ack_key])
    starting = sync_service_pb2.StartSessionRequest(positions=page.feeds)

    (told,) = await client.call(SYNC + "Acknowledge", acknowledging, other)
    refused = await client.answer(SYNC + "StartSession", starting, other)

    assert (told.acknowledged, told.stale) == (0, 1)
    assert (refused.status, refused.reason) == ("FAILED_PRECONDITION", "RESYNC_REQUIRED")
    (told,) = await client.call(SYNC + "Acknowledge", acknowledging, device_uuid)
    assert (told.acknowledged, told.stale) == (1, 0)
    (started,) = await client.call(SYNC + "StartSession", starting, device_uuid)
    assert not started.HasField("session"), "nothing new"
