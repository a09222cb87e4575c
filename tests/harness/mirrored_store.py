"""A store whose writes are repeated on the model in memory: whatever the two answer differently is noted.

The model takes over from the store what is chance or clock (store epochs, contacts, positions, gaps between
revisions); all else it must come to by itself: verdicts, revisions, records, deletes, receipts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, TypeVar, cast
from uuid import UUID

from syncline.data.schema import Schema
from syncline.storage import Store
from syncline.storage.contract import Judge
from syncline.storage.errors import StoreError, StoreUnavailable
from syncline.storage.memory import MemoryStore
from syncline.storage.models import Collected, Device, Head, Record, RecordWrite, WriteResult
from syncline.storage.upload_models import Change, CurrentRecord, Decision, UploadBatch, UploadOutcome

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """What a call raised in place of an answer."""

    error: type[StoreError]
    arguments: tuple[Any, ...]


class MirroredStore:
    """A store and its model. One writer at a time: the model sees the writes in the order of their commits."""

    def __init__(
        self,
        store: Store,
        *,
        before_upload: Callable[[UUID, UploadBatch], None] = lambda device, batch: None,
        after_upload: Callable[[UploadBatch, UploadOutcome], None] = lambda batch, outcome: None,
    ) -> None:
        self.real = store
        self._before_upload = before_upload
        self._after_upload = after_upload
        self.model = MemoryStore()
        self.differences: list[str] = []
        """What the two answered differently."""
        self.judged: Counter[bytes] = Counter()
        """How often each change, by its UUID, was decided by the model: more than once is an effect too many."""
        self._lock = RLock()

    def __getattr__(self, name: str) -> Any:
        """What is not written below goes to the store alone."""
        return getattr(self.real, name)

    def as_store(self) -> Store:
        """Itself, as the type that a server asks for."""
        return cast(Store, self)

    def create_account(self, account_id: str) -> Head:
        """See `AccountStore.create_account`."""
        with self._lock:
            self.model.create_account(account_id)
            head = self.real.create_account(account_id)
            self._take_over_head(account_id)
            return head

    def renew_store_epoch(self, account_id: str) -> Head:
        """See `AccountStore.renew_store_epoch`."""
        with self._lock:
            self.model.renew_store_epoch(account_id)
            head = self.real.renew_store_epoch(account_id)
            self._take_over_head(account_id)
            return head

    def write_schema(self, account_id: str, schema: Schema, *, expected_version: int) -> Schema:
        """See `SchemaStore.write_schema`."""
        with self._lock:
            self.model.write_schema(account_id, schema, expected_version=expected_version)
            written = self.real.write_schema(account_id, schema, expected_version=expected_version)
            self._take_over_head(account_id)
            return written

    def register_device(self, account_id: str, device_uuid: UUID, *, now: int) -> Device:
        """See `DeviceStore.register_device`."""
        with self._lock:
            self.model.register_device(account_id, device_uuid, now=now)
            return self.real.register_device(account_id, device_uuid, now=now)

    def grant_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """See `DeviceStore.grant_buckets`."""
        with self._lock:
            self.model.grant_buckets(account_id, device_uuid, buckets)
            self.real.grant_buckets(account_id, device_uuid, buckets)

    def revoke_buckets(self, account_id: str, device_uuid: UUID, buckets: Sequence[str]) -> None:
        """See `DeviceStore.revoke_buckets`."""
        with self._lock:
            self.model.revoke_buckets(account_id, device_uuid, buckets)
            self.real.revoke_buckets(account_id, device_uuid, buckets)

    def open_upload(self, account_id: str, device_uuid: UUID, *, stream_id: int) -> None:
        """See `UploadStore.open_upload`."""
        with self._lock:
            self.model.open_upload(account_id, device_uuid, stream_id=stream_id)
            self.real.open_upload(account_id, device_uuid, stream_id=stream_id)

    def write_records(self, account_id: str, writes: Sequence[RecordWrite]) -> WriteResult:
        """See `RecordStore.write_records`."""
        return self._both(
            account_id,
            lambda: self.real.write_records(account_id, writes),
            lambda: self.model.write_records(account_id, writes),
            lambda result: (result.outcomes, result.revisions),
        )

    def upload(self, account_id: str, device_uuid: UUID, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        """See `UploadStore.upload`."""

        def counting(change: Change, record: CurrentRecord | None, news: bool) -> Decision:
            self.judged[change.change_uuid] += 1
            return judge(change, record, news)

        with self._lock:
            self._before_upload(device_uuid, batch)
            self._take_over_device(account_id, device_uuid)
            outcome = self._both(
                account_id,
                lambda: self.real.upload(account_id, device_uuid, batch, judge),
                lambda: self.model.upload(account_id, device_uuid, batch, counting),
                _deciding_parts,
            )
            self._after_upload(batch, outcome)
            return outcome

    def collect(self, account_id: str, *, devices_seen_before: int, now: int) -> Collected:
        """See `CollectionStore.collect`."""
        with self._lock:
            for device in self.real.list_devices(account_id, after=None, limit=100):
                self._take_over_device(account_id, device.device_uuid)
            self.model.collect(account_id, devices_seen_before=devices_seen_before, now=now)
            return self.real.collect(account_id, devices_seen_before=devices_seen_before, now=now)

    def records(self, account_id: str) -> dict[tuple[str, str], Record]:
        """All rows of the account by object type and key, tombstones included; those of the two must be equal."""
        with self._lock:
            model = dict(self.model._accounts[account_id].records)
            real = {}
            for object_type in {object_type for object_type, _ in model}:
                keys = [key for of_type, key in model if of_type == object_type]
                for record in self.real.get_records(account_id, object_type, keys):
                    real[object_type, record.key] = record
            for item in model.keys() | real.keys():
                if model.get(item) != real.get(item):
                    self.differences.append(f"{item}: stored {real.get(item)}, should be {model.get(item)}")
            return real

    def _both(
        self, account_id: str, real: Callable[[], T], model: Callable[[], T], compared: Callable[[T], object]
    ) -> T:
        """Call the store, then the model, and compare what they answer or raise."""
        with self._lock:
            self._take_over_head(account_id)
            answer, failure = _outcome(real)
            if isinstance(failure, StoreUnavailable):
                raise failure
            expected, expected_failure = _outcome(model)
            self._take_over_head(account_id)
            got = _failed(failure) if answer is None else compared(answer)
            wanted = _failed(expected_failure) if expected is None else compared(expected)
            if got != wanted:
                self.differences.append(f"the store came to\n  {got}\nand the model to\n  {wanted}")
            if failure is not None:
                raise failure
            return cast(T, answer)

    def _take_over_head(self, account_id: str) -> None:
        self.model._accounts[account_id].head = self.real.get_head(account_id)

    def _take_over_device(self, account_id: str, device_uuid: UUID) -> None:
        """Contact, state and positions change with downloads, which the model does not see."""
        row = self.model._accounts[account_id].device(device_uuid)
        real = self.real.get_device(account_id, device_uuid)
        row.device = replace(row.device, state=real.state, last_contact=real.last_contact)
        row.positions = {position.feed: position for position in self.real.list_positions(account_id, device_uuid)}


def _outcome(call: Callable[[], T]) -> tuple[T | None, StoreError | None]:
    try:
        return call(), None
    except StoreError as error:
        return None, error


def _failed(error: StoreError | None) -> Failed | None:
    return None if error is None else Failed(type(error), error.args)


def _deciding_parts(outcome: UploadOutcome) -> object:
    stopped_by = None if outcome.stopped_by is None else (type(outcome.stopped_by), outcome.stopped_by.args)
    return outcome.answers, outcome.written, outcome.holds, stopped_by
