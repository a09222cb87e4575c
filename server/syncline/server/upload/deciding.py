"""Deciding one message of an upload stream: read, decided in one transaction, answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from opentelemetry import trace

from syncline.data import telemetry
from syncline.server.environment import Environment, now_us
from syncline.server.identity.caller import current_caller
from syncline.server.identity.visible import read_visible_schema
from syncline.server.upload.answer_counts import count_answers
from syncline.server.upload.answers import upload_response
from syncline.server.upload.changes import check_request, read_changes
from syncline.server.upload.judging import BatchJudge
from syncline.server.upload.refusals import refusal
from syncline.server.upload.type_rules import RulesCache
from syncline.storage.contract.uploads import Judge
from syncline.storage.device_access import check_access
from syncline.storage.errors import InvalidValue, LimitReached, ObjectTypeNotFound, StoreError, StreamSuperseded
from syncline.storage.upload_models import Change, UploadBatch, UploadOutcome
from syncline.storage.upload_plan import units
from syncline.v1 import upload_pb2

_tracer = trace.get_tracer(telemetry.SCOPE)

_REFUSED_FOR_GOOD: Final = (InvalidValue, LimitReached, ObjectTypeNotFound)
"""What a store raises if it will never take a batch: nothing of it was decided."""


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message that keeps the rules, ready to be decided."""

    store_epoch: int | None
    """The history that the device knows: each message is held to it, so that none is decided in another one."""
    settled_through: int
    changes: tuple[Change, ...]
    judge: Judge
    now: int
    """When it was read, in microseconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one message."""

    response: upload_pb2.UploadResponse
    head_revision: int
    written: bool
    """Records were written: devices have something to read."""
    error: Exception | None
    """Ends the stream, after the answers; it is about the first change that has none."""


class StreamDecider:
    """Decides the messages of one upload stream, one after the other. Its calls block.

    The next message may be read once one is planned: from then on it is the database that works.
    """

    def __init__(self, env: Environment, rules: RulesCache, device_uuid: UUID, stream_id: int) -> None:
        self._env = env
        self._rules = rules
        self._device_uuid = device_uuid
        self._stream_id = stream_id
        self._holds: dict[tuple[str, str], int] = {}
        self._last_seq = 0
        self._store_epoch: int | None = None

    def open(self) -> None:
        """Make the stream the device's newest one."""
        self._env.store.open_upload(self._env.account_id, self._device_uuid, stream_id=self._stream_id)

    def check(self) -> None:
        """Look whether the stream may go on, though no message comes.

        Raises:
            StreamSuperseded: it is not the device's newest one.
            DeviceDisabled, DeviceWiped, DeviceNotFound: somebody decided so meanwhile.
        """
        store, account_id = self._env.store, self._env.account_id
        device = store.get_device(account_id, self._device_uuid)
        check_access(account_id, device, store.get_head(account_id), uploads=True)
        if device.upload_stream_id != self._stream_id:
            raise StreamSuperseded("a newer upload stream of the device took over")

    def read(self, request: upload_pb2.UploadRequest) -> ReadMessage:
        """Read the stream's next message, be it while the one before is written.

        Raises:
            InvalidRequest: it breaks a rule; nothing of it will be decided.
            StoreUnavailable: the schema cannot be read.
        """
        check_request(request, after_seq=self._last_seq, first=self._store_epoch is None)
        if request.store_epoch:
            self._store_epoch = _store_epoch(request.store_epoch)
        if request.changes:
            self._last_seq = request.changes[-1].change_seq
        now = now_us()
        rules = self._rules.rules(current_caller(), read_visible_schema(self._env))
        read = read_changes(request.changes, rules, now=now)
        limits, account_id = self._env.stored_limits, self._env.account_id
        full = bool(read.inserts) and limits.is_full(account_id)
        if not full:
            limits.note_new(account_id, len(read.inserts))
        return ReadMessage(
            store_epoch=self._store_epoch,
            settled_through=request.settled_through,
            changes=read.changes,
            judge=BatchJudge(
                rules, self._env.resolvers, read.inserts, now=now, full=limits.records_rule if full else ""
            ),
            now=now,
        )

    def decide(self, message: ReadMessage, planned: Callable[[], None]) -> Decided:
        """Decide a message; durable when it returns.

        Args:
            message: as it was read.
            planned: told when it is time to read the next one; see `UploadBatch.planned`.

        Raises:
            StoreError: as `UploadStore.upload`. StoreUnavailable leaves open what was decided: a repeat tells.
        """
        batch = UploadBatch(
            store_epoch=message.store_epoch,
            settled_through=message.settled_through,
            changes=message.changes,
            holds=self._holds,
            stream_id=self._stream_id,
            now=message.now,
            planned=planned,
        )
        outcome = self._upload_in_span(batch, message.judge)
        self._holds = outcome.holds
        response, too_large = upload_response(outcome.answers)
        return Decided(response, outcome.head_revision, outcome.written, too_large or outcome.stopped_by)

    def _upload_in_span(self, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        """Decide the batch in a span, of which the records that it writes keep the context."""
        if not batch.changes:
            return self._upload(batch, judge)  # it only tells what is settled
        with _tracer.start_as_current_span(
            telemetry.SPAN_UPLOAD, record_exception=False, set_status_on_exception=False
        ) as span:
            outcome = self._upload(batch, judge)
            verdicts = count_answers(outcome.answers)
            span.set_attribute(telemetry.CHANGES, len(outcome.answers))
            for verdict, count in verdicts.items():
                span.set_attribute(telemetry.VERDICT_PREFIX + verdict.value, count)
            return outcome

    def _upload(self, batch: UploadBatch, judge: Judge) -> UploadOutcome:
        """Decide the batch whole, or bit by bit if the store does not take it whole."""
        try:
            return self._env.store.upload(self._env.account_id, self._device_uuid, batch, judge)
        except _REFUSED_FOR_GOOD as error:
            if not batch.changes:
                raise
            return _joined(self._replay(batch, judge, error))

    def _replay(self, batch: UploadBatch, judge: Judge, error: StoreError) -> Iterator[UploadOutcome]:
        """Decide transaction by transaction; one that the store does not take either is rejected."""
        parts = [tuple(unit) for unit in units(batch.changes)]
        for changes in parts:
            part = replace(batch, changes=changes)
            outcome = None
            if len(parts) > 1:
                try:
                    outcome = self._env.store.upload(self._env.account_id, self._device_uuid, part, judge)
                except _REFUSED_FOR_GOOD as again:
                    error = again
            if outcome is None:
                why = refusal("STORE_REFUSED", f"the database did not take the change: {error}")
                refused = tuple(change._replace(refusal=change.refusal or why) for change in changes)
                part = replace(part, changes=refused)
                outcome = self._env.store.upload(self._env.account_id, self._device_uuid, part, judge)
            yield outcome
            if outcome.stopped_by is not None:
                return
            batch = replace(batch, holds=outcome.holds)


def _joined(outcomes: Iterator[UploadOutcome]) -> UploadOutcome:
    """The outcomes of the parts as that of the whole."""
    parts = list(outcomes)
    return replace(
        parts[-1],
        answers=tuple(answer for part in parts for answer in part.answers),
        written=any(part.written for part in parts),
    )


def _store_epoch(text: str) -> int:
    """The history that the device names; 0, which none has, if no server of ours named it."""
    try:
        epoch = int(text, 16)
    except ValueError:
        return 0
    return epoch if f"{epoch:x}" == text else 0
