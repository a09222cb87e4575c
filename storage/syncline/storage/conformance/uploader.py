"""A device that uploads, and the judge that conformance tests let it have: records are their own frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid4

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.changes import Content, Edit, Operation, Verdict, field_text
from syncline.data.conflicts import Contest, Record, judge
from syncline.data.parsing import parse_object
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType
from syncline.storage.conformance.tenant import NOW, SCOPES, Tenant
from syncline.storage.contract import Judge
from syncline.storage.identity import random_id
from syncline.storage.models import RecordWrite
from syncline.storage.upload_models import (
    Change,
    ChangeAnswer,
    ChangeRefusal,
    ConflictNote,
    CurrentRecord,
    Decision,
    UploadBatch,
    UploadOutcome,
)

Data = dict[str, Any]
Edits = Mapping[str, tuple[Any, Any]]
"""Fields with the value before and after; None: absent."""

_FIELDS = tuple(Field(name, FieldType.INTEGER) for name in "abc")


def note(key: str, data: Data, *, object_type: str = "note", bucket: str | None = None) -> RecordWrite:
    """A record for the server to write."""
    frame = canonical_bytes(data)
    return RecordWrite(object_type, key, frame, data_hash(frame), NOW, bucket)


def add_up(contest: Contest) -> Record | None:
    """A resolver: the sum of both sides' `a`; what one side has deleted, stays as the server has it."""
    if contest.device is None or contest.server is None:
        return contest.server
    return {"a": contest.device["a"] + contest.server["a"]}


def json_judge(
    policy: ConflictPolicy = ConflictPolicy.MERGE_FIELDS, by_type: Mapping[str, ConflictPolicy] | None = None
) -> Judge:
    """Decide by the rules of `syncline.data.conflicts`, with one policy for all types or one for each."""
    kinds = {
        name: ObjectType(name, scope, _FIELDS, conflict_policy=(by_type or {}).get(name, policy))
        for name, scope in SCOPES.items()
    }

    def decide(change: Change, current: CurrentRecord | None, news: bool) -> Decision:
        server = None if current is None else current.frame
        kind = kinds[change.object_type]
        ruling = judge(
            kind,
            change.key,
            change.content,
            None if server is None else parse_object(server),
            news=news,
            resolver=add_up,
        )
        result = None if ruling.result is None else canonical_bytes(ruling.result)
        conflict = None
        if ruling.contested is not None:
            conflict = ConflictNote(kind.conflict_policy, ruling.contested, _device_data(change), server, result)
        if ruling.verdict is Verdict.REJECTED:
            return Decision(ruling.verdict, refusal=ChangeRefusal(ruling.reason, ruling.explanation), conflict=conflict)
        return Decision(ruling.verdict, None if result == server else _write(change, current, result), None, conflict)

    return decide


class Uploader:
    """One device and its newest upload stream. It counts its changes, and keeps nothing else.

    Args:
        tenant: its account.
        buckets: what it is granted; the default bucket unless told.
        device_uuid: a device that is registered already.
        judge: decides its changes; by default fields are merged.
    """

    def __init__(
        self, tenant: Tenant, *buckets: str, device_uuid: UUID | None = None, judge: Judge | None = None
    ) -> None:
        self.tenant = tenant
        self.device_uuid = device_uuid or tenant.register(*buckets)
        self.judge = judge or json_judge()
        self.next_seq = 1
        self.settled = 0
        self.holds: dict[tuple[str, str], int] = {}
        self.stream_id = 0
        self.open()

    def open(self) -> None:
        """Begin a new stream."""
        self.stream_id = random_id()
        self.holds = {}
        self.tenant.store.open_upload(self.tenant.account_id, self.device_uuid, stream_id=self.stream_id)

    def insert(self, key: str, data: Data, **options: Any) -> Change:
        """A change that creates a record; the options are fields of `Change`."""
        return self.change(key, Content(Operation.INSERT, data=data), **options)

    def update(self, key: str, edits: Edits, **options: Any) -> Change:
        """A change of some fields."""
        parts = tuple(
            Edit(name, field_text({name: old}, name), field_text({name: new}, name))
            for name, (old, new) in edits.items()
        )
        return self.change(key, Content(Operation.UPDATE, edits=parts), **options)

    def delete(self, key: str, data: Data, **options: Any) -> Change:
        """A change that deletes what the device saw."""
        return self.change(key, Content(Operation.DELETE, deleted_hash=data_hash(canonical_bytes(data))), **options)

    def change(self, key: str, content: Content, **options: Any) -> Change:
        """A change under the device's next number; it has seen everything there is unless told."""
        change = Change(
            change_uuid=uuid4().bytes,
            change_seq=self.next_seq,
            payload_hash=b"",
            transaction_id=b"",
            object_type="note",
            key=key,
            bucket="",
            base_revision=options.get("base_revision", self.tenant.head()),
            content=content,
        )
        change = hashed(change._replace(**options))
        self.next_seq = change.change_seq + 1
        return change

    def again(self, change: Change) -> Change:
        """The same change under the device's next number."""
        change = hashed(change._replace(change_seq=self.next_seq))
        self.next_seq += 1
        return change

    def batch(self, *changes: Change, **options: Any) -> UploadBatch:
        """A message of the stream; the options are fields of `UploadBatch`."""
        batch = UploadBatch(
            store_epoch=None,
            settled_through=self.settled,
            changes=changes,
            holds=self.holds,
            stream_id=self.stream_id,
            now=self.tenant.now(),
        )
        return replace(batch, **options)

    def send(self, *changes: Change, **options: Any) -> UploadOutcome:
        """Send a message, and keep what the stream holds back."""
        outcome = self.tenant.store.upload(
            self.tenant.account_id, self.device_uuid, self.batch(*changes, **options), self.judge
        )
        self.holds = outcome.holds
        return outcome

    def one(self, change: Change, **options: Any) -> ChangeAnswer:
        """Send one change; its answer."""
        outcome = self.send(change, **options)
        assert len(outcome.answers) == 1, outcome.stopped_by
        return outcome.answers[0]

    def settle(self) -> None:
        """Tell that every verdict is stored."""
        self.settled = self.next_seq - 1
        self.send()


def hashed(change: Change) -> Change:
    """The change with the hash of what it says."""
    said = change._replace(payload_hash=b"", refusal=None)
    return change._replace(payload_hash=blake2b(repr(said).encode(), digest_size=16).digest())


def stands(tenant: Tenant, key: str, *, object_type: str = "note") -> Data | None:
    """The record's data; None: it is not there."""
    rows = tenant.store.get_records(tenant.account_id, object_type, [key])
    return None if not rows or rows[0].frame is None else parse_object(rows[0].frame)


def verdicts(outcome: UploadOutcome) -> list[Verdict]:
    """The verdicts of a message's changes."""
    return [answer.verdict for answer in outcome.answers]


def _device_data(change: Change) -> bytes | None:
    content = change.content
    if content.operation is Operation.DELETE:
        return None
    if content.data is not None:
        return canonical_bytes(content.data)
    return ("{" + ",".join(f'"{edit.name}":{edit.new or "null"}' for edit in content.edits) + "}").encode()


def _write(change: Change, current: CurrentRecord | None, result: bytes | None) -> RecordWrite:
    bucket = change.bucket if current is None and change.content.operation is Operation.INSERT else None
    return RecordWrite(
        change.object_type, change.key, result, b"" if result is None else data_hash(result), NOW, bucket
    )
