"""The rules by which a batch of changes is decided. No statement in here: every store loads, plans, and writes.

For each change, in this order:

1. A receipt under its number and with its hash: the same answer again. Another hash: `SeqReused`.
2. A receipt under its UUID: the same answer again. That is how a change which was numbered anew finds its verdict.
3. A number that the device has settled: `SeqSettled`.
4. Its record is held on this stream: HELD, and no receipt.
5. Otherwise it is decided: by its own refusal, by the walls (grants), or by the judge.

The changes of a transaction are decided together: if one of them cannot be done as it says, none is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from syncline.data.changes import Operation, Verdict
from syncline.storage.contract.uploads import Judge
from syncline.storage.device_access import check_access
from syncline.storage.errors import (
    ResyncRequired,
    SeqReused,
    SeqSettled,
    StaleDevice,
    StoreEpochChanged,
    StreamSuperseded,
)
from syncline.storage.models import Device, DeviceAccess, DeviceState, Head, RecordWrite
from syncline.storage.upload_models import (
    Change,
    ChangeAnswer,
    ChangeRefusal,
    Conflict,
    ConflictNote,
    CurrentRecord,
    Decision,
    Receipt,
    UploadBatch,
)

ItemName = tuple[str, str]
"""Object type and key."""

# Each change asks for them. Python 3.11 finds a member of an enum by way of a failed look-up, at eight times the price.
_INSERT: Final = Operation.INSERT
_APPLIED: Final = Verdict.APPLIED
_REJECTED: Final = Verdict.REJECTED
_DIFFERING: Final = (Verdict.MERGED, Verdict.SERVER_WON)
"""The verdicts whose answers bring the record as it stands."""


@dataclass(frozen=True, slots=True)
class UploadState:
    """What stands before a batch: all of it read under the account's lock."""

    device_uuid: UUID
    head_revision: int
    """Before the batch."""
    next_change_seq: int
    settled_through: int
    """What the batch itself tells included."""
    grants: frozenset[str]
    """Buckets that the device is granted."""
    scopes: Mapping[str, str]
    """The scope of each object type of the batch."""
    by_seq: Mapping[int, Receipt]
    """Receipts under the numbers of the batch."""
    by_uuid: Mapping[bytes, Receipt]
    """Receipts under the UUIDs of the batch."""
    records: Mapping[ItemName, CurrentRecord]
    """The records of the batch, tombstones included."""
    conflicts: Mapping[bytes, Conflict]
    """Log entries of changes that have receipts, by UUID."""


@dataclass(slots=True)
class UploadPlan:
    """What a batch comes to."""

    answers: list[ChangeAnswer] = field(default_factory=list)
    writes: list[RecordWrite] = field(default_factory=list)
    """In order. Each changes its record and takes the next revision above `head_revision`."""
    writers: list[bytes] = field(default_factory=list)
    """For each write the `change_uuid` of its change."""
    receipts: list[Receipt] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    holds: dict[ItemName, int] = field(default_factory=dict)
    next_change_seq: int = 1
    stopped_by: SeqReused | SeqSettled | None = None


def admit(account_id: str, device: Device, head: Head, batch: UploadBatch) -> None:
    """Raise unless the device may have this batch decided.

    Raises:
        StreamSuperseded: a newer stream of the device took over.
        StoreEpochChanged: the batch names another history.
        StaleDevice: it tells of verdicts that were never given here.
        ResyncRequired: the device has expired.
        DeviceDisabled, DeviceWiped: see `check_access`.
    """
    check_access(account_id, device, head, uploads=True)
    if batch.stream_id != device.upload_stream_id:
        raise StreamSuperseded("a newer upload stream of the device took over")
    if batch.store_epoch is not None and batch.store_epoch != head.store_epoch:
        raise StoreEpochChanged("the history of the server has a new identity")
    if batch.settled_through >= device.next_change_seq:
        raise StaleDevice(
            f"the device tells of verdicts up to number {batch.settled_through}; "
            f"here none was given from {device.next_change_seq} on"
        )
    # One that is about to remove its copy has no way to resynchronise before.
    if device.state is DeviceState.EXPIRED and device.access is not DeviceAccess.WIPING:
        raise ResyncRequired((), "the device was not seen for too long")


def plan_upload(
    state: UploadState, changes: Sequence[Change], holds: Mapping[ItemName, int], judge: Judge, *, now: int
) -> UploadPlan:
    """Decide a batch.

    Args:
        state: what stands before it.
        changes: the batch, in ascending order of numbers, transactions whole.
        holds: what the stream holds back so far.
        judge: decides what no receipt, hold or wall does.
        now: the time, in microseconds since the Unix epoch.
    """
    return _Planner(state, holds, judge, now).plan(changes)


class _Planner:
    def __init__(self, state: UploadState, holds: Mapping[ItemName, int], judge: Judge, now: int) -> None:
        self._state = state
        self._judge = judge
        self._now = now
        self._records = dict(state.records)
        self._decided: dict[bytes, Receipt] = {}
        self._any_known = bool(state.by_seq or state.by_uuid)
        self._revision = state.head_revision
        kept = {item: seq for item, seq in holds.items() if seq > state.settled_through}
        self._plan = UploadPlan(holds=kept, next_change_seq=state.next_change_seq)

    def plan(self, changes: Sequence[Change]) -> UploadPlan:
        place = 0
        coming = units(changes)
        for unit in coming:
            self._plan.stopped_by = self._number_error(unit)
            if isinstance(self._plan.stopped_by, SeqSettled):
                self._plan.stopped_by = self._settled_run(self._plan.stopped_by.change_seq, unit, coming)
            if self._plan.stopped_by is not None:
                break
            self._decide_unit(unit, place)
            place += len(unit)
        return self._plan

    def _receipt(self, change: Change) -> Receipt | None:
        decided = self._decided.get(change.change_uuid)
        if decided is not None or not self._any_known:
            return decided
        return self._state.by_seq.get(change.change_seq) or self._state.by_uuid.get(change.change_uuid)

    def _number_error(self, unit: Sequence[Change]) -> SeqReused | SeqSettled | None:
        """Why a change of the unit cannot go under its number."""
        if not self._any_known and unit[0].change_seq > self._state.settled_through:
            return None
        for change in unit:
            known = self._state.by_seq.get(change.change_seq)
            if known is not None and known.payload_hash != change.payload_hash:
                return SeqReused(change.change_seq, self._plan.next_change_seq)
            settled = change.change_seq <= self._state.settled_through
            if settled and known is None and change.change_uuid not in self._state.by_uuid:
                return SeqSettled(change.change_seq)
        return None

    def _settled_run(self, change_seq: int, unit: Sequence[Change], coming: Iterator[Sequence[Change]]) -> SeqSettled:
        """The error of this number, said of all units that follow and have the same: one stream tells them all."""
        last = unit
        for following in coming:
            if not isinstance(self._number_error(following), SeqSettled):
                break
            last = following
        return SeqSettled(change_seq, last[-1].change_seq)

    def _decide_unit(self, unit: Sequence[Change], place: int) -> None:
        """Answer the changes of a transaction, or one that stands alone."""
        self._plan.next_change_seq = max(self._plan.next_change_seq, unit[-1].change_seq + 1)
        receipts = [self._receipt(change) for change in unit]
        if not any(receipts):
            self._decide_fresh(unit, place)
            return
        # A transaction is decided as a whole, so all of it is known. Should it not be, each stands for itself: better
        # than doing a change twice.
        for index, (change, receipt) in enumerate(zip(unit, receipts, strict=True)):
            if receipt is not None:
                self._repeat(change, receipt)
            else:
                self._decide_fresh([change], place + index)

    def _decide_fresh(self, unit: Sequence[Change], place: int) -> None:
        """Decide what no receipt tells of."""
        if self._plan.holds and any((change.object_type, change.key) in self._plan.holds for change in unit):
            for change in unit:
                self._hold(change)
                self._plan.answers.append(ChangeAnswer(change.change_seq, Verdict.HELD, 0))
            return
        first_conflict_id = self._state.head_revision + place + 1
        if len(unit) == 1:
            self._carry_out(unit[0], self._decide(unit[0]), conflict_id=first_conflict_id)
            return
        for conflict_id, (change, decision) in enumerate(
            zip(unit, _as_one(unit, self._try(unit)), strict=True), first_conflict_id
        ):
            self._carry_out(change, decision, conflict_id=conflict_id)

    def _try(self, unit: Sequence[Change]) -> list[Decision]:
        """Decide each change as if those before it were done already; nothing is done yet."""
        before = dict(self._records)
        decisions = []
        for change in unit:
            decision = self._decide(change)
            decisions.append(decision)
            if decision.write is not None:
                self._set_record(change, decision.write, revision=self._revision)
        self._records = before
        return decisions

    def _decide(self, change: Change) -> Decision:
        if change.refusal is not None:
            return Decision(_REJECTED, refusal=change.refusal)
        if change.base_revision > self._state.head_revision:
            why = f"the account's head is {self._state.head_revision}, not yet {change.base_revision}"
            return _refused("BASE_FROM_FUTURE", why, "base_revision")
        stands = self._records.get((change.object_type, change.key))
        live = stands if stands is not None and stands.frame is not None else None
        seen = live if live is not None and live.bucket in self._state.grants else None
        is_insert = change.content.operation is _INSERT
        if is_insert:
            if change.bucket not in self._state.grants:
                return _refused("BUCKET_NOT_GRANTED", "the bucket is not granted to this device", "bucket")
            if stands is not None and stands.created_by == change.change_uuid:
                return Decision(_APPLIED)  # done once; what was deleted since stays deleted (G10)
            if live is not seen:
                return _refused("KEY_TAKEN", "the key is taken", "key")
        news = seen is not None and seen.revision > change.base_revision and seen.written_by != self._state.device_uuid
        decision = self._judge(change, seen, news)
        if decision.write is not None and seen is not None and decision.write.data_hash == seen.data_hash:
            return decision._replace(write=None)
        if decision.write is not None and seen is None and not is_insert:
            return self._revived(decision, decision.write, taken=live is not None)
        return decision

    def _revived(self, decision: Decision, write: RecordWrite, *, taken: bool) -> Decision:
        """What is absent for the device may be brought back by a resolver, but not over the walls."""
        if write.frame is None:
            return decision._replace(write=None)
        bucket = write.bucket or ""
        if taken or bucket not in self._state.grants:
            return Decision(Verdict.SERVER_WON)
        return decision._replace(write=write._replace(bucket=bucket))

    def _carry_out(self, change: Change, decision: Decision, *, conflict_id: int) -> None:
        verdict, write = decision.verdict, decision.write
        if write is not None:
            self._revision += 1
            self._plan.writes.append(write)
            self._plan.writers.append(change.change_uuid)
            self._set_record(change, write, revision=self._revision)
        frame = None
        if verdict is _APPLIED and write is not None and write.frame is not None:
            revision = self._revision
        elif verdict is _REJECTED:
            self._hold(change)
            revision = 0
        else:
            revision, frame = self._standing(change)
        conflict = None
        if decision.conflict is not None:
            conflict = self._logged(change, verdict, decision.conflict, revision=revision, conflict_id=conflict_id)
        if change.change_uuid not in self._decided:
            receipt = Receipt(
                change.change_seq,
                change.change_uuid,
                change.payload_hash,
                verdict,
                revision,
                decision.refusal,
                item=(change.object_type, change.key) if verdict is _REJECTED else None,
            )
            self._decided[change.change_uuid] = receipt
            self._plan.receipts.append(receipt)
        self._answer(change, verdict, revision, frame, decision.refusal, conflict)

    def _logged(
        self, change: Change, verdict: Verdict, note: ConflictNote, *, revision: int, conflict_id: int
    ) -> Conflict:
        """The conflict's entry in the log."""
        record = self._records.get((change.object_type, change.key))
        seen = record is not None and record.bucket in self._state.grants
        conflict = Conflict(
            conflict_id=conflict_id,
            object_type=change.object_type,
            key=change.key,
            bucket=record.bucket if record is not None and seen else None,
            device_uuid=self._state.device_uuid,
            change_uuid=change.change_uuid,
            operation=change.content.operation,
            verdict=verdict,
            revision=revision,
            decided_at=self._now,
            note=note,
        )
        self._plan.conflicts.append(conflict)
        return conflict

    def _repeat(self, change: Change, receipt: Receipt) -> None:
        """The same verdict again, with the record as it stands now."""
        revision, frame = receipt.revision, None
        if receipt.verdict in _DIFFERING:
            revision, frame = self._standing(change)
        if receipt.verdict is _REJECTED:
            self._hold(change)
        conflict = self._state.conflicts.get(change.change_uuid)
        self._answer(change, receipt.verdict, revision, frame, receipt.refusal, conflict)

    def _answer(
        self,
        change: Change,
        verdict: Verdict,
        revision: int,
        frame: bytes | None,
        refusal: ChangeRefusal | None,
        conflict: Conflict | None,
    ) -> None:
        brought = frame if frame is not None and verdict in _DIFFERING else None
        self._plan.answers.append(ChangeAnswer(change.change_seq, verdict, revision, brought, refusal, conflict))

    def _standing(self, change: Change) -> tuple[int, bytes | None]:
        """The record's revision and frame as the device may see them; the head where it sees none."""
        record = self._records.get((change.object_type, change.key))
        if record is None or record.frame is None or record.bucket not in self._state.grants:
            return self._revision, None
        return record.revision, record.frame

    def _hold(self, change: Change) -> None:
        """Hold back what comes after the change on its record, until the device has settled it.

        Without a name that a record can have, it is of no record, and holds nothing back.
        """
        if change.object_type and change.key and change.change_seq > self._state.settled_through:
            self._plan.holds[change.object_type, change.key] = change.change_seq

    def _set_record(self, change: Change, write: RecordWrite, *, revision: int) -> None:
        item = (change.object_type, change.key)
        before = self._records.get(item)
        bucket = before.bucket if before is not None and write.bucket is None else (write.bucket or "")
        created = before is None or before.frame is None
        self._records[item] = CurrentRecord(
            self._state.scopes[change.object_type],
            bucket,
            revision,
            write.frame,
            write.data_hash,
            change.change_uuid if created or before is None else before.created_by,
            self._state.device_uuid,
        )


def units(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The transactions of a batch; a change that stands alone is one of its own."""
    unit: list[Change] = []
    for change in changes:
        if unit and not (change.transaction_id and change.transaction_id == unit[0].transaction_id):
            yield unit
            unit = []
        unit.append(change)
    if unit:
        yield unit


def _as_one(unit: Sequence[Change], decisions: list[Decision]) -> list[Decision]:
    """Let a transaction of which one member cannot be done as it says be not done at all."""
    for worst, spread in ((Verdict.REJECTED, _group_rejected), (Verdict.SERVER_WON, _group_lost)):
        for change, decision in zip(unit, decisions, strict=True):
            if decision.verdict is worst:
                return [each if each.verdict is worst else spread(change) for each in decisions]
    return decisions


def _group_rejected(culprit: Change) -> Decision:
    refusal = ChangeRefusal(
        "GROUP_REJECTED",
        f"the change number {culprit.change_seq} of the same transaction was refused",
        metadata=(("change_seq", str(culprit.change_seq)),),
    )
    return Decision(Verdict.REJECTED, refusal=refusal)


def _group_lost(_: Change) -> Decision:
    return Decision(Verdict.SERVER_WON)


def _refused(reason: str, message: str, where: str) -> Decision:
    return Decision(Verdict.REJECTED, refusal=ChangeRefusal(reason, message, where))
