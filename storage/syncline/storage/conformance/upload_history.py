"""Random histories of uploading devices from a seed, on two stores side by side (G6, G7).

Devices create, edit and delete what they saw last, alone and in transactions; they lose answers and send again, under
the old numbers or new ones, on the old stream or a new one, also what they settled long ago. The server writes, moves
and deletes, grants and takes back buckets, lets devices expire and collects. Whatever one store answers, the other one
must answer, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from operator import attrgetter
from random import Random
from typing import Any
from uuid import UUID

from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.tenant import NOW, SCOPES, SECOND, Tenant, opening, removal
from syncline.storage.conformance.uploader import Data, Uploader, hashed, json_judge, note, stands
from syncline.storage.contract import Store
from syncline.storage.errors import StoreError
from syncline.storage.models import KeyRange
from syncline.storage.upload_models import Change, ChangeRefusal, UploadBatch, UploadOutcome

STEPS = 120
KEYS = 6
"""Per object type. Few, so that everybody is after the same records."""
BUCKETS = ("", "north")
POLICIES = {
    "note": ConflictPolicy.MERGE_FIELDS,
    "task": ConflictPolicy.CLIENT_WINS,
    "photo": ConflictPolicy.REJECT,
}


class SideBySide:
    """One history on two stores; the seed fixes everything but random ids, which no answer shows."""

    def __init__(self, store: Store, model: Store, seed: int) -> None:
        self._seed = seed
        self._rng = Random(f"{seed} uploads")
        self._tenants = [Tenant(store), Tenant(model)]
        uuids = [UUID(bytes=self._rng.randbytes(16)) for _ in range(3)]
        self._clock = count(NOW, SECOND)
        self._devices = [_Device(self._tenants, device_uuid, self._rng, self._clock) for device_uuid in uuids]

    def run(self) -> None:
        """Let it happen. Raises `AssertionError` with the seed where the stores part."""
        actions = {self._upload: 60, self._write: 25, self._collect: 5, self._change_grants: 5, self._look: 5}
        for step in range(STEPS):
            (action,) = self._rng.choices(list(actions), weights=list(actions.values()))
            action(f"seed {self._seed}, step {step}, {action.__name__}")
        self._look(f"seed {self._seed}, at the end")

    def _upload(self, when: str) -> None:
        first, second = self._rng.choice(self._devices).step()
        assert first == second, when

    def _write(self, when: str) -> None:
        """The server writes or deletes one record."""
        rng, key, object_type = self._rng, _key(self._rng), _type(self._rng)
        write = removal(key, object_type=object_type)
        if rng.random() < 0.8:
            write = note(key, _data(rng), object_type=object_type, bucket=rng.choice([None, *BUCKETS]))
        said = [tenant.write(write) for tenant in self._tenants]
        assert said[0] == said[1], when

    def _collect(self, when: str) -> None:
        """Receipts and conflicts go by age; now and then a device expires, and comes back."""
        patience, now = self._rng.choice([0, 20, 20, 100]) * SECOND, next(self._clock)
        said = []
        for tenant in self._tenants:
            if patience:
                for device in self._devices:
                    tenant.store.touch_device(tenant.account_id, device.uuid, now=now)
            said.append(tenant.store.collect(tenant.account_id, devices_seen_before=now - patience, now=now))
        assert said[0] == said[1], when
        if not patience:
            self._upload(when)
            for tenant in self._tenants:
                for device in self._devices:
                    request = opening(full_resync=True, always=True, now=now)
                    tenant.store.open_queue(tenant.account_id, device.uuid, request)

    def _change_grants(self, when: str) -> None:
        del when
        device, bucket = self._rng.choice(self._devices), self._rng.choice(BUCKETS)
        change = self._rng.choice([Store.grant_buckets, Store.grant_buckets, Store.revoke_buckets]).__name__
        for tenant in self._tenants:
            getattr(tenant.store, change)(tenant.account_id, device.uuid, [bucket])

    def _look(self, when: str) -> None:
        """Compare all that is stored."""
        keys = [f"k{number}" for number in range(KEYS)]
        views: list[list[object]] = []
        for tenant in self._tenants:
            store, account_id = tenant.store, tenant.account_id
            view: list[object] = [tenant.head()]
            for object_type in SCOPES:
                view += sorted(store.get_records(account_id, object_type, keys), key=attrgetter("key"))
            for device in self._devices:
                row = store.get_device(account_id, device.uuid)
                view.append((row.state, row.next_change_seq, row.settled_through))
                for all_devices in (False, True):
                    view += store.list_conflicts(
                        account_id,
                        device.uuid,
                        all_devices=all_devices,
                        object_type=None,
                        key=None,
                        before_id=None,
                        limit=1000,
                    )
                view += _ranges(tenant, device.uuid)
            views.append(view)
        assert views[0] == views[1], when


class _Device:
    """A device on both stores, sending the same to both."""

    def __init__(self, tenants: list[Tenant], device_uuid: UUID, rng: Random, clock: Iterator[int]) -> None:
        self.uuid = device_uuid
        self._rng = rng
        self._clock = clock
        self._twins = []
        for tenant in tenants:
            tenant.store.register_device(tenant.account_id, device_uuid, now=NOW)
            tenant.store.grant_buckets(tenant.account_id, device_uuid, BUCKETS)
            judge = json_judge(by_type=POLICIES)
            self._twins.append(Uploader(tenant, device_uuid=device_uuid, judge=judge))
        self._seen: dict[tuple[str, str], tuple[int, Data | None]] = {}
        self._sent: list[Change] = []

    def step(self) -> list[object]:
        """Send one message; what each store said to it."""
        rng, uploader = self._rng, self._twins[1]
        if rng.random() < 0.2:
            for twin in self._twins:
                twin.open()
        if rng.random() < 0.3:
            self._sync()
        if rng.random() < 0.3:
            uploader.settled = max(uploader.settled, uploader.next_seq - 1 - rng.choice([0, 0, 1, 4]))
        batch = uploader.batch(*self._changes(), now=next(self._clock))
        said = [_said(twin, replace(batch, holds=dict(twin.holds), stream_id=twin.stream_id)) for twin in self._twins]
        self._sent = self._sent[-12:]
        return said

    def _changes(self) -> list[Change]:
        """New changes; or old ones, as they were or under new numbers; or both."""
        rng, uploader = self._rng, self._twins[1]
        how = rng.random()
        if how < 0.15 and self._sent:
            first = rng.randrange(len(self._sent))
            # Behind what comes again may stand something new; the numbers still ascend.
            again = self._sent[first : first + 5]
            return [*again, self._new()] if again[-1] is self._sent[-1] else again
        if how < 0.25 and self._sent:
            return [uploader.again(change) for change in rng.sample(self._sent, k=min(3, len(self._sent)))]
        if how < 0.28 and self._sent:
            used = rng.choice(self._sent).change_seq
            return [hashed(self._new()._replace(change_seq=used))]
        if how < 0.31:
            return []
        group = rng.randbytes(8) if rng.random() < 0.3 else b""
        return [self._new(group) for _ in range(rng.randint(1, 4))]

    def _new(self, group: bytes = b"") -> Change:
        """A change of something that was seen, or was not there."""
        rng, uploader = self._rng, self._twins[1]
        key, object_type = _key(rng), _type(rng)
        revision, data = self._seen.get((object_type, key), (0, None))
        options: dict[str, Any] = {
            "object_type": object_type,
            "transaction_id": group,
            "change_uuid": rng.randbytes(16),
            "base_revision": revision if rng.random() < 0.97 else 1 << 40,
        }
        if rng.random() < 0.05:
            options["refusal"] = ChangeRefusal("CHANGE_INVALID", "by chance")
        if data is None or rng.random() < 0.1:
            new = _data(rng)
            change = uploader.insert(key, new, bucket=rng.choice(BUCKETS), **options)
        elif rng.random() < 0.2:
            new = None
            change = uploader.delete(key, data, **options)
        else:
            field, value = rng.choice("abc"), rng.choice([None, 1, 2, 3])
            new = {name: kept for name, kept in {**data, field: value}.items() if kept is not None}
            change = uploader.update(key, {field: (data.get(field), value)}, **options)
        self._seen[object_type, key] = (revision, new)
        self._sent.append(change)
        return change

    def _sync(self) -> None:
        """See everything as it is."""
        tenant = self._twins[1].tenant
        head = tenant.head()
        self._seen = {
            (object_type, key): (head, stands(tenant, key, object_type=object_type))
            for object_type in SCOPES
            for key in (f"k{number}" for number in range(KEYS))
        }


def _said(twin: Uploader, batch: UploadBatch) -> object:
    """What a store says to a message."""
    tenant = twin.tenant
    try:
        outcome = tenant.store.upload(tenant.account_id, twin.device_uuid, batch, twin.judge)
    except StoreError as error:
        return type(error)
    twin.holds = outcome.holds
    return _comparable(outcome)


def _comparable(outcome: UploadOutcome) -> object:
    stopped = outcome.stopped_by
    return replace(outcome, stopped_by=None), None if stopped is None else (type(stopped), str(stopped))


def _ranges(tenant: Tenant, device_uuid: UUID) -> list[object]:
    found: list[object] = []
    for object_type, bucket in ((object_type, bucket) for object_type in SCOPES for bucket in BUCKETS):
        try:
            found += tenant.store.read_ranges(
                tenant.account_id,
                device_uuid,
                object_type,
                bucket,
                [KeyRange(None, "k2"), KeyRange("k2", None)],
                known_revision=tenant.head() // 2,
                limit=3,
            )
        except StoreError as error:
            found.append(type(error))
    return found


def _key(rng: Random) -> str:
    return f"k{rng.randrange(KEYS)}"


def _type(rng: Random) -> str:
    return rng.choice(sorted(SCOPES))


def _data(rng: Random) -> Data:
    return {name: rng.randint(1, 3) for name in rng.sample("abc", k=rng.randint(1, 3))}
