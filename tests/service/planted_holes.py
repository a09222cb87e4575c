"""Holes in the walls, one each: in a store, or in a running server. Each stands for a mistake that is easily made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from syncline.server import devices, token_keys
from syncline.server.identity.caller import Caller
from syncline.server.identity.permissions import NEEDED, Permission
from syncline.server.interceptors import identity
from syncline.storage.audit_models import Act
from syncline.storage.errors import RequestNotFound
from syncline.storage.memory.store import MemoryStore
from syncline.storage.models import AckInterval, AckOutcome, Record
from syncline.storage.request_models import Enrollment, SyncRequest
from syncline.storage.upload_models import Conflict

Patch: TypeAlias = pytest.MonkeyPatch


class RequestsOfAnyAccount(MemoryStore):
    """A statement that looks a sync request up by its id alone."""

    def get_request(self, account_id: str, request_id: str) -> SyncRequest:
        for other in (account_id, *self.list_accounts()):
            try:
                return super().get_request(other, request_id)
            except RequestNotFound:
                continue
        return super().get_request(account_id, request_id)


class ForeignRequestsAreTold(MemoryStore):
    """A refusal that is meant to help: it says more of a request that is another account's than of an absent one."""

    def get_request(self, account_id: str, request_id: str) -> SyncRequest:
        try:
            return super().get_request(account_id, request_id)
        except RequestNotFound as error:
            if any(request_id in account.requests for account in self._accounts.values()):
                raise RequestNotFound(f"the sync request {request_id!r} is of another account") from error
            raise


class DevicesForgottenEverywhere(MemoryStore):
    """A DELETE by the device alone. Its answer is as it should be."""

    def forget_device(self, account_id: str, device_uuid: UUID, *, act: Act) -> None:
        for other in self.list_accounts():
            if other != account_id:
                self._accounts[other].devices.pop(device_uuid, None)
        super().forget_device(account_id, device_uuid, act=act)


class EnrollmentsOfAllAccounts(MemoryStore):
    """A list without its account."""

    def list_enrollments(self, account_id: str) -> list[Enrollment]:
        found: list[Enrollment] = []
        for other in self.list_accounts():
            found += super().list_enrollments(other)
        return found


class ConflictsOfAllBuckets(MemoryStore):
    """The conflicts of all devices, without a look at the grants."""

    def list_conflicts(self, account_id: str, device_uuid: UUID, **asked: Any) -> list[Conflict]:
        row = self._accounts[account_id].devices[device_uuid]
        grants = row.grants
        row.grants = {"north": 1, "south": 1}
        try:
            return super().list_conflicts(account_id, device_uuid, **asked)
        finally:
            row.grants = grants


class RecordsOfAnyBucket(MemoryStore):
    """Records that are fetched by key say that they live where they are looked for."""

    def get_records(self, account_id: str, object_type: str, keys: Sequence[str]) -> list[Record]:
        found = super().get_records(account_id, object_type, keys)
        return [replace(record, bucket="north") for record in found]


def seals_of_anybody(patch: Patch) -> None:
    """Page tokens, positions and acknowledgement keys are sealed for nobody in particular."""
    _seal_for(patch, lambda *_: b"")


def seals_of_the_whole_account(patch: Patch) -> None:
    """They are sealed for the account, and not for the device."""
    _seal_for(patch, lambda account_id, _: account_id.encode())


def acknowledgements_of_any_session(patch: Patch) -> None:
    """What another device was given is taken, and whose load it is of is not looked at."""
    seals_of_the_whole_account(patch)
    take = MemoryStore.acknowledge

    def acknowledge(
        self: MemoryStore, account_id: str, device_uuid: UUID, intervals: Sequence[AckInterval], *rest: Any, now: int
    ) -> AckOutcome:
        (position,) = self.list_positions(account_id, device_uuid)
        own = [replace(interval, epoch=position.epoch) for interval in intervals]
        return take(self, account_id, device_uuid, own, *rest, now=now)

    patch.setattr(MemoryStore, "acknowledge", acknowledge)


def _seal_for(patch: Patch, owner: Callable[[str, UUID | None], bytes]) -> None:
    make = token_keys.Sealer.__init__

    def made(self: Any, keys: Any, account_id: str, device_uuid: UUID | None = None) -> None:
        make(self, keys, account_id, device_uuid)
        self._owner = owner(account_id, device_uuid)

    patch.setattr(token_keys.Sealer, "__init__", made)


def a_permission_that_is_too_low(patch: Patch) -> None:
    """Whoever may see sync requests may cancel them."""
    lowered = {"/syncline.v1.SyncRequestService/CancelSyncRequest": Permission.REQUESTS_READ}
    patch.setattr(identity, "NEEDED", {**NEEDED, **lowered})


def permissions_that_include_each_other(patch: Patch) -> None:
    """`admin` is taken for everything."""
    may = Caller.may
    patch.setattr(Caller, "may", lambda self, needed: may(self, needed) or may(self, Permission.ADMIN))


def devices_of_anybody(patch: Patch) -> None:
    """A device is not held to its principal."""
    patch.setattr(devices, "_owner", lambda _: "")


def claims_that_are_left_out(patch: Patch) -> None:
    """A device is granted what the store has for it, whatever its credential claims."""
    patch.setattr(devices, "claimed_buckets", lambda _: frozenset(("north", "south")))
