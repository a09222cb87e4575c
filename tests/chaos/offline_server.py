"""The server of a random history: an account of its own, behind a proxy that breaks, mirrored on the model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from syncline.server.records import delete_write, record_write
from syncline.storage import Store
from syncline.storage.upload_models import UploadBatch, UploadOutcome
from syncline.v1 import frame_pb2
from tests.chaos.offline_file import BaseRow, Item, read_file
from tests.chaos.offline_schema import BUCKETS, CHILD, KIND_OF, RESOLVER, SCHEMA, longest
from tests.harness.breaking_proxy import BreakingProxy, breaking_proxy
from tests.harness.mirrored_store import MirroredStore
from tests.harness.quick_retries import quick_retries
from tests.harness.server_thread import ServerThread, server_thread

_numbers = count(1)


class ServerWrite(NamedTuple):
    """One write of somebody else."""

    kind: str
    key: str
    field: str
    value: str | None
    gone: bool
    bucket: str | None


@dataclass(frozen=True)
class Place:
    """What all histories of a test share."""

    store: Store
    threads: ServerThread
    proxy: BreakingProxy
    folder: Path


def prepare_histories(patch: pytest.MonkeyPatch) -> None:
    """Let clients wait for nothing, and let servers know the resolver that the schema names."""
    quick_retries(patch)
    patch.setattr("syncline.server.app.load_resolvers", lambda: {RESOLVER: longest})


@contextmanager
def place(store: Store, folder: Path) -> Iterator[Place]:
    """Somewhere for histories to happen."""
    with server_thread() as threads, breaking_proxy() as proxy:
        yield Place(store, threads, proxy, folder)


class OfflineServer:
    """The server side of one history."""

    def __init__(self, place: Place) -> None:
        self.proxy = place.proxy
        self.account = f"history-{next(_numbers)}"
        self.store = MirroredStore(place.store, before_upload=self._before_upload, after_upload=self._after_upload)
        self.store.create_account(self.account)
        self.store.write_schema(self.account, SCHEMA, expected_version=0)
        self.verdicts: dict[bytes, set[str]] = {}
        """All that was answered to each change, by its UUID."""
        self.decided_at: dict[bytes, int] = {}
        """The revision in the newest answer to each change."""
        self.uploading: Path | None = None
        """The file of the device whose turn it is."""
        self.shared: set[UUID] = set()
        """Devices that are, or were, more than one file: these may use a number twice."""
        self._payloads: dict[tuple[UUID, int], bytes] = {}
        self._faults: list[str] = []
        self._serving = place.threads.serving(self.store.as_store(), account=self.account)
        self.proxy.lead_to(self._serving.__enter__().address)

    @property
    def address(self) -> str:
        """Where devices connect."""
        return self.proxy.address

    def close(self) -> None:
        """End it."""
        self.proxy.mend()
        self._serving.__exit__(None, None, None)

    def register(self, device: UUID, *buckets: str) -> None:
        """Make the device known, with grants of these buckets besides the default one."""
        self.store.register_device(self.account, device, now=1)
        self.store.grant_buckets(self.account, device, buckets)

    def toggle_grant(self, device: UUID) -> None:
        """Give the device the second bucket, or take it away."""
        if BUCKETS[1] in self.store.list_grants(self.account, device):
            self.store.revoke_buckets(self.account, device, BUCKETS[1:])
        else:
            self.store.grant_buckets(self.account, device, BUCKETS[1:])

    def renew_store_epoch(self) -> None:
        """The history gets another identity, as after an older backup was put in its place."""
        self.store.renew_store_epoch(self.account)

    def expire_devices(self) -> None:
        """Nobody was seen for very long: what was kept for devices goes, receipts of settled changes too."""
        long_after = time.time_ns() // 1000 + 1_000_000
        self.store.collect(self.account, devices_seen_before=long_after, now=long_after)

    def write(self, write: ServerWrite) -> None:
        """Somebody else creates, changes, moves or deletes a record."""
        now, kind = next(_numbers), KIND_OF[write.kind]
        if write.gone:
            record = delete_write(kind.name, write.key, modified_at=now)
        else:
            data = {"id": write.key, write.field: write.value}
            if kind is CHILD:
                data["of"] = write.key
            record = record_write(kind, data, modified_at=now, bucket=write.bucket)
        self.store.write_records(self.account, [record])

    def records(self, device: UUID) -> dict[Item, BaseRow]:
        """What the device must hold at a checkpoint."""
        granted = self.store.list_grants(self.account, device)
        held = {}
        for item, record in self.store.records(self.account).items():
            if record.frame is not None and record.bucket in granted:
                data = frame_pb2.Frame.FromString(record.frame).data
                held[item] = BaseRow(record.bucket, record.revision, data.decode())
        return held

    def check(self) -> None:
        """The store did what the model does (G6), and no device did what none may do."""
        self.store.records(self.account)
        faults = [*self.store.differences, *self._faults]
        assert not faults, "\n".join(faults)
        twice = [uuid.hex() for uuid, times in self.store.judged.items() if times > 1]
        assert not twice, f"decided more than once: {twice}"

    def _before_upload(self, device: UUID, batch: UploadBatch) -> None:
        """Hold what a device says against its file."""
        if self.uploading is not None:
            untold = [
                change
                for change in read_file(self.uploading).in_state("sent")
                if change.change_seq is not None and change.change_seq <= batch.settled_through
            ]
            if untold:
                self._faults.append(f"told as settled through {batch.settled_through}, but not stored: {untold}")
        for change in batch.changes:
            first = self._payloads.setdefault((device, change.change_seq), change.payload_hash)
            if first != change.payload_hash and device not in self.shared:
                self._faults.append(f"number {change.change_seq} was used with other bytes before: {change}")

    def _after_upload(self, batch: UploadBatch, outcome: UploadOutcome) -> None:
        for change, answer in zip(batch.changes, outcome.answers, strict=False):
            self.verdicts.setdefault(change.change_uuid, set()).add(answer.verdict.value)
            self.decided_at[change.change_uuid] = answer.revision
