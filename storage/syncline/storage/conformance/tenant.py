"""One account of a test, with a schema and short ways to write and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from uuid import UUID, uuid4

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.storage.conformance.reference_device import ReferenceDevice
from syncline.storage.contract import Store
from syncline.storage.models import (
    Feed,
    OpenQueue,
    QueueOpened,
    QueueRead,
    RecordWrite,
    Rejection,
    Session,
    SessionFeed,
    Told,
    WriteResult,
)

NOW = 1_750_000_000_000_000
"""Where the clock of a test starts, in microseconds."""
SECOND = 1_000_000
HOUR = 3600 * SECOND

NOTES = "notes"
MEDIA = "media"
SCOPES = {"note": NOTES, "task": NOTES, "photo": MEDIA}
"""The object types of every tenant, and the scope of each."""


def schema(scopes: Mapping[str, str] = SCOPES) -> Schema:
    """A schema of these object types in these scopes, one field each."""
    fields = (Field("text", FieldType.STRING),)
    return Schema(object_types=tuple(ObjectType(name, scope, fields) for name, scope in scopes.items()))


def record(
    key: str,
    data: bytes = b"{}",
    *,
    object_type: str = "note",
    bucket: str | None = None,
    modified_at: int = NOW,
) -> RecordWrite:
    """A record to store; its data serves as its frame."""
    return RecordWrite(
        object_type=object_type,
        key=key,
        frame=data,
        data_hash=blake2b(data).digest()[:32],
        modified_at=modified_at,
        bucket=bucket,
    )


def removal(key: str, *, object_type: str = "note", modified_at: int = NOW) -> RecordWrite:
    """A record to delete."""
    return RecordWrite(object_type=object_type, key=key, frame=None, data_hash=b"", modified_at=modified_at)


def numbered(count: int, *, prefix: str = "n", bucket: str | None = None) -> list[RecordWrite]:
    """So many records with keys in order."""
    return [record(f"{prefix}{number:05}", b"%d" % number, bucket=bucket) for number in range(count)]


def opening(*, now: int = NOW, **changes: object) -> OpenQueue:
    """What a device without any memory asks for, with changes."""
    request = OpenQueue(
        scopes=(),
        buckets={},
        told=(),
        refused=(),
        full_resync=False,
        always=False,
        client="conformance",
        now=now,
        expire_at=now + HOUR,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def told(entry: SessionFeed, revision: int, *, store_epoch: int) -> Told:
    """The position that a device stores once it has read the feed up to a revision."""
    position = entry.position
    return Told(
        feed=position.feed,
        store_epoch=store_epoch,
        grant_id=position.grant_id,
        load_id=position.load_id,
        epoch=position.epoch,
        revision=revision,
    )


class Tenant:
    """An account that no other test uses, so that a suite may keep one store for all of its tests."""

    def __init__(self, store: Store, device_class: type[ReferenceDevice] = ReferenceDevice) -> None:
        self.store = store
        self.account_id = f"tenant-{uuid4().hex}"
        self._device_class = device_class
        self._seconds = count(1)
        store.create_account(self.account_id)
        store.write_schema(self.account_id, schema(), expected_version=0)

    def now(self) -> int:
        """The next second of the test's clock; safe to call from many threads."""
        return NOW + next(self._seconds) * SECOND

    def head(self) -> int:
        """The account's newest revision."""
        return self.store.get_head(self.account_id).revision

    def write(self, *writes: RecordWrite) -> WriteResult:
        """Write them in one transaction."""
        return self.store.write_records(self.account_id, writes)

    def put(self, key: str, data: bytes = b"{}", *, object_type: str = "note", bucket: str | None = None) -> int:
        """Store one record; answer its revision."""
        return self.write(record(key, data, object_type=object_type, bucket=bucket)).revisions[0]

    def remove(self, key: str, *, object_type: str = "note") -> int:
        """Delete one record; answer its tombstone's revision."""
        return self.write(removal(key, object_type=object_type)).revisions[0]

    def register(self, *buckets: str) -> UUID:
        """A new device with grants of just these buckets; the default bucket unless told."""
        device_uuid = uuid4()
        self.store.register_device(self.account_id, device_uuid, now=self.now())
        if buckets:
            self.store.grant_buckets(self.account_id, device_uuid, buckets)
            if "" not in buckets:
                self.store.revoke_buckets(self.account_id, device_uuid, [""])
        return device_uuid

    def device(self, *buckets: str, tells_positions: bool = True) -> ReferenceDevice:
        """A new device that keeps a copy, with grants of just these buckets; the default bucket unless told."""
        device_uuid = self.register(*buckets)
        return self._device_class(
            self.store, self.account_id, device_uuid, clock=self.now, tells_positions=tells_positions
        )

    def open(self, device_uuid: UUID, **changes: object) -> QueueOpened:
        """Open the device's queue; the changes are those of `opening`."""
        return self.store.open_queue(self.account_id, device_uuid, opening(**changes))  # type: ignore[arg-type]

    def session(self, device_uuid: UUID, **changes: object) -> Session:
        """Open the device's queue, of which it is known that there is something to read or to follow."""
        session = self.open(device_uuid, **changes).session
        assert session is not None
        return session

    def read(
        self,
        device_uuid: UUID,
        session: Session,
        cursors: Mapping[Feed, int] | None = None,
        *,
        max_items: int = 1000,
        max_bytes: int = 1 << 20,
        stream_id: int | None = None,
        redeliver_after: tuple[str, str] | None = ("", ""),
    ) -> QueueRead:
        """Read on in a session."""
        return self.store.read_queue(
            self.account_id,
            device_uuid,
            session,
            cursors or {},
            max_items=max_items,
            max_bytes=max_bytes,
            stream_id=stream_id,
            redeliver_after=redeliver_after,
        )

    def rejection(self, device_uuid: UUID) -> Rejection:
        """The device's only rejection."""
        (rejection,) = self.store.list_rejections(self.account_id, device_uuid)
        return rejection
