"""The matrix of walls: every method, with every permission by itself, with own, foreign and absent ids.

Each check plays its part over a running server, and raises AssertionError with all that it finds wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from syncline.server.identity.permissions import Permission
from syncline.storage import Store
from syncline.v1 import sync_service_pb2, upload_pb2
from tests.harness.bearers import Bearer, bearer_settings
from tests.harness.callers import EVERYTHING, caller
from tests.harness.server import running_app
from tests.harness.store_dump import changed, dump
from tests.service.uploading import SCHEMA
from tests.service.wall_probes import OWN, PERMISSIONS, PROBES, Probe
from tests.service.walls import Answer, Client, Ids, blurred, settle

FOREIGN, HOME = "a", "b"
"""The account that is not to be reached, and the one that everybody calls from."""
_NOBODY = "nothing"
_OF_ANOTHER = (
    "PERMISSION_DENIED",
    "DEVICE_OF_ANOTHER",
    "the device belongs to another principal; a device is used by one",
)


@dataclass(frozen=True)
class World:
    """A server over two accounts with something of everything."""

    store: Store
    channel: grpc.aio.Channel
    clients: dict[str, Client]
    """Of bob, in the account HOME, by what his credential permits: one permission, all but one, or nothing."""
    stranger: Client
    """Of eve, in the same account, with all permissions."""
    own: Ids
    foreign: Ids

    def entitled(self, path: str) -> Client:
        """Bob with the one permission that the method needs."""
        return self.clients[PERMISSIONS[path]]


Check: TypeAlias = Callable[[World], Awaitable[None]]


@asynccontextmanager
async def open_world(store: Store, bearer: Bearer, folder: Path) -> AsyncIterator[World]:
    """Fill a new store, and serve it to callers with these credentials."""
    for account_id in (FOREIGN, HOME):
        store.create_account(account_id)
        store.write_schema(account_id, SCHEMA, expected_version=0)
    async with (
        running_app(store, **bearer_settings(folder)) as app,
        grpc.aio.insecure_channel(app.address) as channel,
    ):

        def client(account_id: str, principal: str, permissions: frozenset[Permission] = EVERYTHING) -> Client:
            return Client(channel, bearer(caller(account_id, principal, permissions)))

        foreign = await settle(client(FOREIGN, "ann"), store, FOREIGN)
        own = await settle(client(HOME, "bob"), store, HOME)
        sets = {_NOBODY: frozenset[Permission]()}
        sets |= {str(one): frozenset({one}) for one in Permission}
        sets |= {_all_but(one): EVERYTHING - {one} for one in Permission}
        clients = {name: client(HOME, "bob", permissions) for name, permissions in sets.items()}
        yield World(store, channel, clients, client(HOME, "eve"), own, foreign)


async def check_permissions(world: World) -> None:
    """Without its permission no method answers anything but that, whatever it is asked about, and does nothing.

    Each caller has one permission, or all but the needed one, which stands for every pair and more, or none.
    """
    before = {account_id: dump(world.store, account_id) for account_id in (FOREIGN, HOME)}
    wrong: list[str] = []
    for path, number, probe in _plays():
        needed = PERMISSIONS[path]
        names = [_NOBODY, _all_but(needed), *(str(one) for one in Permission if one != needed)]
        cases = [(name, kind, ids) for name in names for kind, ids in _kinds_of_ids(world).items()]
        answers = await asyncio.gather(
            *(_play(world.clients[name], path, probe, world.own, ids) for name, _, ids in cases)
        )
        for (name, kind, _), answer in zip(cases, answers, strict=True):
            expected = Answer("PERMISSION_DENIED", "PERMISSION_MISSING", answers[0].text, answers[0].details, ())
            if answer != expected:
                wrong.append(f"{path} {number} with {name}, {kind}: {answer}")
    _nothing_is_wrong(wrong)
    for account_id, kept in before.items():
        assert changed(kept, dump(world.store, account_id)) == [], f"refused calls changed the account {account_id}"


async def check_accounts(world: World) -> None:
    """With its permission, each method answers foreign ids as absent ones, and changes nothing of theirs (G9)."""
    before, home = dump(world.store, FOREIGN), world.own
    wrong: list[str] = []
    for path, number, probe in _plays():
        absent = world.foreign.unlike()
        if not _is_of_devices(path) and probe(home, world.foreign) == probe(home, absent):
            continue  # it names nothing
        for of_own_device in (True, False) if _is_of_devices(path) else (True,):
            found, nothing = [
                await _play(world.entitled(path), path, probe, home, ids, of_own_device=of_own_device)
                for ids in (world.foreign, absent)
            ]
            if blurred(found, world.foreign) != blurred(nothing, absent):
                wrong.append(f"{path} {number}:\n  {blurred(found, world.foreign)}\n  {blurred(nothing, absent)}")
            if found.status in {"INTERNAL", "UNKNOWN", "PERMISSION_DENIED", "UNAUTHENTICATED"}:
                wrong.append(f"{path} {number}: {found}")
            sent = str(probe(home, world.foreign))
            told = [value for value in world.foreign.unique() if value in str(found) and value not in sent]
            if told:
                wrong.append(f"{path} {number} tells of the other account: {told}")
    _nothing_is_wrong(wrong)
    assert changed(before, dump(world.store, FOREIGN)) == [], "the other account was changed"


async def check_principals(world: World) -> None:
    """A device of one principal is nothing to another one of the same account, whatever it is used for."""
    before = dump(world.store, HOME)
    wrong: list[str] = []
    for path, number, probe in _plays():
        if not _is_of_devices(path):
            continue
        for kind, ids in _kinds_of_ids(world).items():
            request = probe(world.own, ids)
            answer = await world.stranger.answer(path, request, world.own.device_uuid)
            if answer[:3] != _OF_ANOTHER or answer.messages:
                wrong.append(f"{path} {number}, {kind}: {answer}")
    _nothing_is_wrong(wrong)
    assert changed(before, dump(world.store, HOME)) == [], "refused calls changed the account"


async def check_devices(world: World) -> None:
    """What names something of one device is nothing to another one, even if both are of one principal."""
    own = world.own
    start = sync_service_pb2.StartSessionRequest(always=True)
    wrong: list[str] = []
    for path, number, probe in _plays():
        if not _is_of_devices(path):
            continue
        absent = own.unlike()
        copied = replace(
            absent,
            session_id=own.session_id,
            page_ack_key=own.page_ack_key,
            item_ack_key=own.item_ack_key,
            position=own.position,
            conflicts_page=own.conflicts_page,
        )
        found: list[Answer] = []
        for ids in (copied, absent):
            device_uuid = str(uuid4())
            await world.clients[Permission.SYNC].call("/syncline.v1.SyncService/StartSession", start, device_uuid)
            found.append(blurred(await world.entitled(path).answer(path, probe(own, ids), device_uuid), ids))
        if found[0] != found[1]:
            wrong.append(f"{path} {number}:\n  {found[0]}\n  {found[1]}")
    _nothing_is_wrong(wrong)


async def check_own(world: World) -> None:
    """With its permission, each method works on own ids, and tells and changes nothing of the other account."""
    before = dump(world.store, FOREIGN)
    wrong: list[str] = []
    for path, number, probe in _plays():
        answer = await _play(world.entitled(path), path, probe, world.own, world.own)
        if answer.status != OWN.get(path.rsplit("/", maxsplit=1)[-1], "OK"):
            wrong.append(f"{path} {number}: {answer}")
        wrong += [f"{path} {number} tells {value}" for value in world.foreign.unique() if value in str(answer)]
    _nothing_is_wrong(wrong)
    assert changed(before, dump(world.store, FOREIGN)) == [], "the other account was changed"


MATRIX: Sequence[Check] = (check_permissions, check_principals, check_accounts, check_devices, check_own)
"""In an order in which none disturbs the next: the last one uses up what there is."""


def _all_but(permission: str) -> str:
    return f"all but {permission}"


def _plays() -> Iterator[tuple[str, int, Probe]]:
    for path, probes in PROBES.items():
        for number, probe in enumerate(probes):
            yield path, number, probe


def _kinds_of_ids(world: World) -> dict[str, Ids]:
    return {"own": world.own, "foreign": world.foreign, "absent": world.foreign.unlike()}


async def _play(client: Client, path: str, probe: Probe, own: Ids, ids: Ids, *, of_own_device: bool = True) -> Answer:
    request: Message | Sequence[Message] = probe(own, ids)
    device_uuid = own.device_uuid if of_own_device else ids.device_uuid
    if isinstance(request, upload_pb2.UploadRequest) and request.changes:
        device_uuid = str(uuid4())  # whose first change it is
    return await client.answer(path, request, device_uuid if _is_of_devices(path) else "")


def _is_of_devices(path: str) -> bool:
    return path.startswith("/syncline.v1.SyncService/")


def _nothing_is_wrong(found: list[Any]) -> None:
    assert not found, f"{len(found)} found:\n" + "\n".join(map(str, found[:20]))
