"""The judge of a batch: brings change and record together by the conflict rules, and makes what is to be written."""

from __future__ import annotations

from collections.abc import Mapping
from json import JSONEncoder
from typing import Final

import orjson

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.changes import Content, Operation, Verdict
from syncline.data.conflicts import Record, Ruling, judge
from syncline.data.errors import DataError
from syncline.data.schema import ConflictPolicy
from syncline.server.records import delete_write, encode_frame
from syncline.server.resolvers import Resolvers, resolver_of
from syncline.server.upload.refusals import refusal
from syncline.server.upload.type_rules import SchemaRules
from syncline.storage.models import RecordWrite
from syncline.storage.upload_models import Change, ConflictNote, CurrentRecord, Decision
from syncline.v1.frame_pb2 import Frame

_REJECTED: Final = Verdict.REJECTED  # each change asks for it; see upload_plan
_encode_name: Final = JSONEncoder(ensure_ascii=False).encode


class BatchJudge:
    """Decides the changes of one batch; it is a `syncline.storage.contract.uploads.Judge`."""

    def __init__(
        self, rules: SchemaRules, resolvers: Resolvers, inserts: Mapping[int, RecordWrite], *, now: int, full: str = ""
    ) -> None:
        """Decide by these rules.

        Args:
            rules: of the schema that the changes were held to.
            resolvers: by name.
            inserts: by change_seq, what an INSERT comes to if there is no such record.
            now: when the records count as modified: the device's clock is not asked.
            full: why no record may be made that is not there; empty: it may.
        """
        self._full = full
        self._rules = rules
        self._resolvers = resolvers
        self._inserts = inserts
        self._now = now

    def __call__(self, change: Change, current: CurrentRecord | None, news: bool) -> Decision:
        """See `Judge`."""
        rules = self._rules.of(change.object_type)
        if rules is None:
            raise AssertionError(f"a change of the unknown object type {change.object_type!r} was not refused")
        data = None if current is None or current.frame is None else frame_data(current.frame)
        record = None if data is None else orjson.loads(data)
        resolver = resolver_of(rules.kind, self._resolvers)
        try:
            ruling = judge(rules.kind, change.key, change.content, record, news=news, resolver=resolver)
            if self._full and record is None and ruling.verdict is not _REJECTED and ruling.result is not None:
                return Decision(_REJECTED, refusal=refusal("LIMIT_REACHED", self._full))
            if ruling.verdict is _REJECTED:
                refused = refusal(ruling.reason, ruling.explanation, "key" if ruling.reason == "KEY_TAKEN" else "")
                write = None
            else:
                refused, write = None, self._write(change, ruling.result, current, record)
            note = None
            if ruling.contested is not None:
                note = _note(rules.kind.conflict_policy, change, ruling, ruling.contested, data)
        except DataError as error:  # each side kept the rules; what came of them together is too long
            return Decision(_REJECTED, refusal=refusal("CHANGE_TOO_LARGE", error.rule, "data"))
        return Decision(ruling.verdict, write, refused, note)

    def _write(
        self, change: Change, result: Record | None, current: CurrentRecord | None, record: Record | None
    ) -> RecordWrite | None:
        if result is record:
            return None
        if result is None:
            return delete_write(change.object_type, change.key, modified_at=self._now)
        if current is None and result is change.content.data:
            return self._inserts[change.change_seq]
        bucket = change.bucket if current is None else current.bucket
        encoded = canonical_bytes(result)
        frame = encode_frame(change.object_type, change.key, bucket, self._now, encoded)
        stays = None if current is not None else bucket
        return RecordWrite(change.object_type, change.key, frame, data_hash(encoded), self._now, stays)


def frame_data(frame: bytes) -> bytes:
    """The canonical data in an encoded frame."""
    data: bytes = Frame.FromString(frame).data
    return data


def _note(
    policy: ConflictPolicy, change: Change, ruling: Ruling, contested: tuple[str, ...], server_data: bytes | None
) -> ConflictNote:
    if ruling.verdict is _REJECTED:
        result_data = server_data
    else:
        result_data = None if ruling.result is None else canonical_bytes(ruling.result)
    return ConflictNote(policy, contested, _device_data(change.content), server_data, result_data)


def _device_data(content: Content) -> bytes | None:
    """What the device wanted: the record, or the new values with null for a field that goes; None: no record."""
    if content.operation is Operation.UPDATE:
        values = sorted((edit.name, edit.new or "null") for edit in content.edits)
        return f"{{{','.join(f'{_encode_name(name)}:{value}' for name, value in values)}}}".encode()
    return None if content.data is None else canonical_bytes(content.data)
