"""Changes of devices, as they go into a store and come out of it: the batch, its verdicts, receipts and conflicts.

All times are integers: microseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from syncline.data.changes import Content, Operation, Verdict
from syncline.data.schema import ConflictPolicy
from syncline.storage.errors import SeqReused, SeqSettled
from syncline.storage.models import RecordWrite


@dataclass(frozen=True, slots=True)
class ChangeRefusal:
    """Why a change is rejected."""

    reason: str
    """A name of `syncline.v1.ErrorReason`."""
    message: str
    """Why, in words."""
    field: str = ""
    """The field of the change or record that breaks a rule; empty if none does."""
    metadata: tuple[tuple[str, str], ...] = ()
    """What goes with the reason."""


class Change(NamedTuple):
    """A change as the store gets it: parsed and held to the schema's rules. A tuple, like all that is made for each."""

    change_uuid: bytes
    """16 bytes."""
    change_seq: int
    payload_hash: bytes
    """A hash of all that the device sent of the change, its number included."""
    transaction_id: bytes
    """Changes of one transaction stand next to each other; empty: it stands alone."""
    object_type: str
    key: str
    bucket: str
    """INSERT: where to create it."""
    base_revision: int
    content: Content
    refusal: ChangeRefusal | None = None
    """It breaks a rule: it is rejected without being looked at. A name that no record can have is left empty then."""


class CurrentRecord(NamedTuple):
    """A record as it stands when a change of it is decided, or its tombstone."""

    scope: str
    bucket: str
    revision: int
    frame: bytes | None
    """None: deleted."""
    data_hash: bytes
    created_by: bytes
    written_by: UUID | None


@dataclass(frozen=True, slots=True)
class ConflictNote:
    """What a conflict was about, as the judge saw it."""

    policy: ConflictPolicy
    fields: tuple[str, ...]
    """The contested fields; empty if one side deleted the record."""
    device_data: bytes | None
    """The device's version; None: a delete."""
    server_data: bytes | None
    """The server's version before the decision; None: gone."""
    result_data: bytes | None
    """The record after the decision; None: gone."""


class Decision(NamedTuple):
    """What a judge makes of one change."""

    verdict: Verdict
    """Never HELD."""
    write: RecordWrite | None = None
    """What is to be written; None: the record stays as it is. Its `bucket` is None but for an INSERT."""
    refusal: ChangeRefusal | None = None
    """Set if it is REJECTED."""
    conflict: ConflictNote | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """One entry of the conflict log."""

    conflict_id: int
    """Ascending in the account, with gaps."""
    object_type: str
    key: str
    bucket: str | None
    """Where the record was: others see the entry if they are granted that. None: the device does not see such a record,
    so nobody can say who may; only the device itself sees the entry."""
    device_uuid: UUID
    change_uuid: bytes
    operation: Operation
    verdict: Verdict
    revision: int
    decided_at: int
    note: ConflictNote


class Receipt(NamedTuple):
    """What became of a change, kept so that a repeat gets the same verdict."""

    change_seq: int
    change_uuid: bytes
    payload_hash: bytes
    verdict: Verdict
    """Never HELD."""
    revision: int
    refusal: ChangeRefusal | None
    item: tuple[str, str] | None = None
    """REJECTED: object type and key, as far as they are known. Else None: the record itself tells who wrote it."""


class ChangeAnswer(NamedTuple):
    """The answer to one change."""

    change_seq: int
    verdict: Verdict
    revision: int
    """The record's after the decision; the head where no record is left to name one; 0 if rejected or held."""
    frame: bytes | None = None
    """MERGED and SERVER_WON: the record as it stands; None: it is gone, or not in a bucket of the device."""
    refusal: ChangeRefusal | None = None
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class UploadBatch:
    """What one message of an upload stream asks for."""

    store_epoch: int | None
    """The history that the device knows; None: it said so on this stream before."""
    settled_through: int
    changes: tuple[Change, ...]
    """In ascending order of their numbers; transactions whole."""
    holds: dict[tuple[str, str], int]
    """What the stream holds back: for (object type, key) the number of the change that was refused or held last."""
    stream_id: int
    now: int
    planned: Callable[[], None] = lambda: None
    """Told once all is decided and only the database still has work; again, if the transaction is tried again."""


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """What came of it."""

    head_revision: int
    answers: tuple[ChangeAnswer, ...]
    """One for each change, unless `stopped_at` is set."""
    written: bool
    """Records were written: devices have something to read."""
    holds: dict[tuple[str, str], int]
    """What the stream holds back from now on."""
    stopped_by: SeqReused | SeqSettled | None = None
    """The number of the change after the last answered one cannot be used. Nothing of it or after it was decided."""
