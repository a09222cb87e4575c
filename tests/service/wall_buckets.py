"""The walls between buckets: what is in a bucket that a device is not granted is to it as if it were not there.

Two records that are alike, each with a conflict, live in `north` and in `south`. A device that is granted `north` asks
for either of them, and for one that is nowhere.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from syncline.storage import Store
from syncline.storage.models import Record
from syncline.v1 import diagnostics_service_pb2, sync_service_pb2, upload_pb2
from tests.harness.bearers import bearer_settings, token_of
from tests.harness.callers import caller
from tests.harness.server import running_app
from tests.service.uploading import SCHEMA, delete, insert, update
from tests.service.walls import Answer, Client

SYNC = "/syncline.v1.SyncService/"
ACCOUNT = "acme"
NEAR, FAR, NOWHERE = "north", "south", "noone"
"""As long as each other: details are compared as bytes."""
_MARKED = "text that lives in "


_VARYING = (
    (re.compile(r"\bAgA[\w-]{20,}"), "A-TOKEN"),
    (re.compile(r'"[0-9a-f]+-[0-9a-f]+"'), "A-LOAD"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "AN-ID"),
    (re.compile(r"(seconds|nanos|conflict_id): \d+"), "A-NUMBER"),
    (re.compile(r'change_uuid: ".*"|device_uuid: ".*"'), "AN-UUID"),
)
"""What is new each time."""


_LAST = 4
"""The last revision that the records and their conflicts took."""


class Place(NamedTuple):
    """What is asked for."""

    key: str
    bucket: str
    revision: int
    session_id: str


Asking: TypeAlias = Callable[[Place], Message]
Newcomer: TypeAlias = "Callable[[], tuple[Client, str]]"
"""Makes a device that is new: who calls, and its UUID."""


def _refusal(place: Place) -> sync_service_pb2.Rejection:
    return sync_service_pb2.Rejection(object_type="merged", key=place.key, revision=place.revision)


def _upload(change: upload_pb2.Change) -> upload_pb2.UploadRequest:
    return upload_pb2.UploadRequest(changes=[change])


def _reconcile(place: Place, **fields: object) -> upload_pb2.ReconcileRequest:
    fields = {"bucket": place.bucket, "known_revision": 1 << 40} | fields
    return upload_pb2.ReconcileRequest(object_type="merged", **fields)  # type: ignore[arg-type]


_SEEN = {"text": "old"}
TELLING: Mapping[str, Sequence[Asking]] = {
    "StartSession": [
        lambda place: sync_service_pb2.StartSessionRequest(
            always=True, filters=[sync_service_pb2.FeedFilter(scope="main", buckets=[place.bucket])]
        ),
    ],
    "Acknowledge": [lambda place: sync_service_pb2.AcknowledgeRequest(rejections=[_refusal(place)])],
    "Upload": [
        lambda place: _upload(insert(1, str(uuid4()), text="x", _bucket=place.bucket)),
        lambda place: _upload(update(1, place.key, seen=_SEEN, text="x", _base_revision=1)),
        lambda place: _upload(delete(1, place.key, seen=_SEEN, _base_revision=1)),
    ],
    "ListConflicts": [
        lambda place: upload_pb2.ListConflictsRequest(object_type="merged", key=place.key, all_devices=True)
    ],
    "Reconcile": [
        lambda place: _reconcile(place, bucket=NEAR, keys=[place.key]),
        lambda place: _reconcile(place, keys=[place.key]),
        lambda place: _reconcile(place, ranges=[upload_pb2.KeyRange(digest=bytes(16))]),
    ],
}
"""Requests that are answered otherwise if the record, or its bucket, is there for the device."""
SILENT: Mapping[str, Sequence[Asking]] = {
    "StartSession": [lambda place: sync_service_pb2.StartSessionRequest(always=True, refused=[_refusal(place)])],
    "ReadQueue": [lambda place: sync_service_pb2.ReadQueueRequest(session_id=place.session_id)],
    "FetchQueue": [lambda place: sync_service_pb2.FetchQueueRequest(session_id=place.session_id)],
    "ListConflicts": [lambda _: upload_pb2.ListConflictsRequest(all_devices=True)],
    "GetSchema": [lambda _: sync_service_pb2.GetSchemaRequest()],
    "ConfirmWipe": [lambda _: sync_service_pb2.ConfirmWipeRequest()],
}
"""Those that name neither, or are answered alike by intention."""


@dataclass(frozen=True)
class Buckets:
    """A server over records in two buckets."""

    store: Store
    channel: grpc.aio.Channel
    keys: Mapping[str, str]
    """The record of each bucket. NOWHERE has none."""
    epoch: str

    def client(self, *claimed: str) -> Client:
        """Of bob; his credential claims these buckets, or if there are none, it claims none in particular."""
        buckets = {"main": frozenset(claimed)} if claimed else None
        return Client(self.channel, token_of(caller(ACCOUNT, "bob", buckets=buckets)))

    def place(self, bucket: str, session_id: str = "") -> Place:
        """What there is in the bucket; of what is nowhere the same is said as of what is far."""
        (record,) = self.records(NEAR if bucket == NEAR else FAR)
        return Place(self.keys[bucket], bucket, record.revision, session_id)

    def records(self, bucket: str) -> list[Record]:
        """The bucket's record, as it is stored."""
        return list(self.store.get_records(ACCOUNT, "merged", [self.keys[bucket]]))


@asynccontextmanager
async def open_buckets(store: Store, folder: Path) -> AsyncIterator[Buckets]:
    """Fill a new store, and serve it."""
    store.create_account(ACCOUNT)
    store.write_schema(ACCOUNT, SCHEMA, expected_version=0)
    async with (
        running_app(store, **bearer_settings(folder)) as app,
        grpc.aio.insecure_channel(app.address) as channel,
    ):
        keys = {bucket: f"key-of-{bucket}" for bucket in (NEAR, FAR, NOWHERE)}
        world = Buckets(store, channel, keys, f"{store.get_head(ACCOUNT).store_epoch:x}")
        client = world.client(NEAR, FAR)
        for bucket in (NEAR, FAR):
            for change in (
                insert(1, keys[bucket], text=_MARKED + bucket, _bucket=bucket),
                update(1, keys[bucket], seen=_SEEN, text=f"other {_MARKED}{bucket}"),
            ):
                request = upload_pb2.UploadRequest(store_epoch=world.epoch, changes=[change])
                await client.call(SYNC + "Upload", request, str(uuid4()))
        assert store.get_head(ACCOUNT).revision == _LAST
        yield world


async def check_claimed_buckets(world: Buckets) -> None:
    """A credential claims `north`."""

    def device() -> tuple[Client, str]:
        return world.client(NEAR), str(uuid4())

    await _check(world, device)


async def check_granted_buckets(world: Buckets) -> None:
    """The store grants the device `north`; its credential claims none in particular."""

    def device() -> tuple[Client, str]:
        device_uuid = uuid4()
        world.store.register_device(ACCOUNT, device_uuid, now=1, principal="bob")
        world.store.revoke_buckets(ACCOUNT, device_uuid, [""])
        world.store.grant_buckets(ACCOUNT, device_uuid, [NEAR])
        return world.client(), str(device_uuid)

    await _check(world, device)


async def check_explanations(world: Buckets) -> None:
    """Who may ask about all devices is told where a record is, and never what stands in it."""
    client, device_uuid = world.client(NEAR), str(uuid4())
    await client.call(SYNC + "StartSession", sync_service_pb2.StartSessionRequest(), device_uuid)
    request = diagnostics_service_pb2.ExplainDeliveryRequest(
        object_type="merged", key=world.keys[FAR], device_uuid=device_uuid
    )
    answer = await client.answer("/syncline.v1.DiagnosticsService/ExplainDelivery", request)
    assert answer.status == "OK", answer
    assert _MARKED not in str(answer), answer


async def _check(world: Buckets, device: Newcomer) -> None:
    wrong: list[str] = []
    far = world.records(FAR)
    for of, telling in ((TELLING, True), (SILENT, False)):
        for name, askings in of.items():
            for number, asking in enumerate(askings):
                answers = {bucket: await _ask(world, device, name, asking, bucket) for bucket in (NEAR, FAR, NOWHERE)}
                case = f"{name} {number} of {'TELLING' if telling else 'SILENT'}"
                if answers[FAR] != answers[NOWHERE]:
                    wrong.append(f"{case}:\n  {answers[FAR]}\n  {answers[NOWHERE]}")
                if telling and answers[NEAR] == answers[NOWHERE]:
                    wrong.append(f"{case} tells nothing: {answers[NEAR]}")
                wrong += [f"{case} tells of {FAR}: {it}" for it in answers.values() if _MARKED + FAR in str(it)]
    assert not wrong, "\n".join(wrong)
    assert world.records(FAR) == far, "a record that is far was changed"


async def _ask(world: Buckets, device: Newcomer, name: str, asking: Asking, bucket: str) -> Answer:
    """What a device that is new sees, without what it sent itself."""
    client, device_uuid = device()
    start = sync_service_pb2.StartSessionRequest(always=True)
    (started,) = await client.call(SYNC + "StartSession", start, device_uuid)
    place = world.place(bucket, started.session.id)
    request = asking(place)
    if isinstance(request, upload_pb2.UploadRequest):
        request.store_epoch = world.epoch
    answer = await client.answer(SYNC + name, request, device_uuid)
    return answer._replace(
        text=_blurred(answer.text, place),
        details=tuple(_blurred(text, place) for text in answer.details),
        messages=tuple(_blurred(text, place) for text in answer.messages),
    )


def _blurred(text: str, place: Place) -> str:
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    # Of what is told later than the records were written: each upload takes a revision.
    text = re.sub(r"\brevision: \d+", lambda found: found[0] if int(found[0][10:]) <= _LAST else "A-REVISION", text)
    return text.replace(place.key, "THE-KEY").replace(f"main/{place.bucket}", "THE-FEED")
