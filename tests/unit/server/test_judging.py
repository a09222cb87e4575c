"""What the judge of a batch makes of the conflict rules' answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.changes import Content, Edit, Operation, Verdict
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Schema
from syncline.server.records import encode_frame
from syncline.server.upload.judging import BatchJudge
from syncline.server.upload.type_rules import SchemaRules
from syncline.storage.models import RecordWrite
from syncline.storage.upload_models import Change, CurrentRecord
from syncline.v1.frame_pb2 import Frame

KIND = ObjectType("note", "main", tuple(Field(name, FieldType.JSON) for name in ("a", "b", "é")))
NOW = 77
PREPARED = RecordWrite("note", "k", b"prepared", b"hash", NOW, "red")


def _judge(policy: ConflictPolicy = ConflictPolicy.MERGE_FIELDS, resolver: str = "") -> BatchJudge:
    kind = replace(KIND, conflict_policy=policy, resolver=resolver)
    return BatchJudge(SchemaRules(Schema(1, (kind,))), {}, {1: PREPARED}, now=NOW)


def _change(content: Content, bucket: str = "") -> Change:
    return Change(bytes(16), 1, b"hash", b"", "note", "k", bucket, 3, content)


def _update(*edits: Edit) -> Change:
    return _change(Content(Operation.UPDATE, edits=edits))


def _current(data: dict[str, Any], bucket: str = "blue") -> CurrentRecord:
    encoded = canonical_bytes(data)
    frame = encode_frame("note", "k", bucket, 1, encoded)
    return CurrentRecord("main", bucket, 9, frame, data_hash(encoded), b"", UUID(int=1))


def test_an_insert_of_what_is_not_there_is_what_was_prepared() -> None:
    decision = _judge()(_change(Content(Operation.INSERT, {"a": 1}), "red"), None, False)

    assert decision.verdict is Verdict.APPLIED
    assert decision.write is PREPARED


def test_a_changed_record_stays_in_its_bucket_and_has_the_server_s_time() -> None:
    decision = _judge()(_update(Edit("a", "1", "2")), _current({"a": 1, "b": 5}), False)

    assert decision.write is not None
    assert decision.write.frame is not None
    frame = Frame.FromString(decision.write.frame)
    assert (frame.key, frame.bucket, frame.modified_at_us, frame.data) == ("k", "blue", NOW, b'{"a":2,"b":5}')
    assert (decision.write.bucket, decision.write.modified_at) == (None, NOW)
    assert decision.write.data_hash == data_hash(frame.data)
    assert decision.conflict is None


def test_an_insert_of_what_is_there_stays_in_the_record_s_bucket() -> None:
    decision = _judge()(_change(Content(Operation.INSERT, {"b": 2}), "red"), _current({"a": 1}), True)

    assert (decision.verdict, decision.conflict) == (Verdict.MERGED, None)
    assert decision.write is not None
    assert decision.write.frame is not None
    assert Frame.FromString(decision.write.frame).bucket == "blue"
    assert decision.write.bucket is None


def test_a_delete_writes_a_tombstone_once() -> None:
    delete = _change(Content(Operation.DELETE, deleted_hash=data_hash(b'{"a":1}')))

    there, gone = _judge()(delete, _current({"a": 1}), False), _judge()(delete, None, False)

    assert there.write == RecordWrite("note", "k", None, b"", NOW)
    assert (gone.verdict, gone.write) == (Verdict.APPLIED, None)


def test_a_contest_is_noted_with_all_versions() -> None:
    change = _update(Edit("é", None, '"x"'), Edit("b", "1", None), Edit("a", "1", "2"))

    decision = _judge()(change, _current({"a": 3, "b": 1}), True)

    note = decision.conflict
    assert decision.verdict is Verdict.MERGED
    assert note is not None
    assert (note.policy, note.fields) == (ConflictPolicy.MERGE_FIELDS, ("a",))
    assert note.device_data == '{"a":2,"b":null,"é":"x"}'.encode()
    assert (note.server_data, note.result_data) == (b'{"a":3,"b":1}', '{"a":3,"é":"x"}'.encode())


def test_a_refused_contest_is_noted_and_writes_nothing() -> None:
    delete = _change(Content(Operation.DELETE, deleted_hash=bytes(16)))

    decision = _judge(ConflictPolicy.REJECT)(delete, _current({"a": 1}), True)

    assert (decision.verdict, decision.write) == (Verdict.REJECTED, None)
    assert decision.refusal is not None
    assert decision.refusal.reason == "CONFLICT_REFUSED"
    assert decision.conflict is not None
    assert (decision.conflict.device_data, decision.conflict.result_data) == (None, b'{"a":1}')


def test_what_is_taken_is_told_by_its_field() -> None:
    decision = _judge(ConflictPolicy.REJECT)(_change(Content(Operation.INSERT, {"a": 2})), _current({"a": 1}), True)

    assert decision.refusal is not None
    assert (decision.refusal.reason, decision.refusal.field) == ("KEY_TAKEN", "key")


@pytest.mark.parametrize("policy", [ConflictPolicy.MERGE_FIELDS, ConflictPolicy.CLIENT_WINS])
def test_what_grows_too_large_together_is_refused(policy: ConflictPolicy) -> None:
    half = f'"{"x" * 600_000}"'
    current = _current({"a": "y" * 600_000, "é": 1})

    for change in (
        _update(Edit("b", None, half)),
        _update(Edit("b", None, half), Edit("é", None, "2")),
        _change(Content(Operation.INSERT, {"b": "x" * 600_000, "é": 2})),
    ):
        decision = _judge(policy)(change, current, True)
        assert (decision.verdict, decision.write, decision.conflict) == (Verdict.REJECTED, None, None)
        assert decision.refusal is not None
        assert decision.refusal.reason == "CHANGE_TOO_LARGE"


def test_without_its_resolver_a_contest_is_refused_and_the_rest_goes_on() -> None:
    judge = _judge(ConflictPolicy.RESOLVER, "keep_both")

    contested = judge(_update(Edit("a", "1", "2")), _current({"a": 3}), True)

    assert contested.refusal is not None
    assert contested.refusal.reason == "RESOLVER_FAILED"
    assert judge(_update(Edit("a", "1", "2")), _current({"a": 1}), True).verdict is Verdict.MERGED
