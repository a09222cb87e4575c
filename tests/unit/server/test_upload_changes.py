"""Messages of an upload stream: which rules they are held to, and how what breaks one is named."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.data.canonical import canonical_bytes, canonicalize, data_hash, parse_object
from syncline.data.changes import Edit, Operation
from syncline.data.errors import DataError
from syncline.data.fields import check_record
from syncline.data.limits import KEY_LENGTH_MAX
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server import limits
from syncline.server.errors import InvalidRequest
from syncline.server.upload.changes import ReadChanges, check_request, read_changes
from syncline.server.upload.refusals import ChangeRefused, refusal_status
from syncline.server.upload.type_rules import SchemaRules, TypeRules
from syncline.storage.limits import check_batch
from syncline.storage.upload_models import ChangeRefusal, UploadBatch
from syncline.v1 import frame_pb2, upload_pb2
from tests.unit.data.values import DOUBLES, INTEGERS, SCALARS, TEXTS

BOOKS = ObjectType(
    "book",
    "main",
    (
        Field("shelf", FieldType.STRING, required=True),
        Field("number", FieldType.INTEGER, required=True),
        Field("title", FieldType.STRING, required=True, max_length=10),
        Field("price", FieldType.DECIMAL),
        Field("tags", FieldType.JSON),
    ),
    ("shelf", "number"),
)
NOTES = ObjectType("note", "main", (Field("text", FieldType.STRING),))
LISTS = ObjectType("list", "main", (Field("text", FieldType.STRING),), read_only=True)
ANYTHING = ObjectType(
    "anything",
    "main",
    tuple(
        Field(name, kind, max_length=5 if kind is FieldType.DECIMAL else 0)
        for name, kind in zip("sindtmbj", FieldType, strict=True)
    ),
)
RULES = SchemaRules(Schema(1, (BOOKS, NOTES, LISTS, ANYTHING)))
DUNE: dict[str, Any] = {"shelf": "A", "number": 7, "title": "Dune"}
INSERT, UPDATE, DELETE = upload_pb2.OPERATION_INSERT, upload_pb2.OPERATION_UPDATE, upload_pb2.OPERATION_DELETE


def change(seq: int = 1, **fields: Any) -> upload_pb2.Change:
    """An insert of a note, unless the fields say otherwise."""
    given: dict[str, Any] = {
        "change_uuid": UUID(int=seq).bytes,
        "change_seq": seq,
        "object_type": "note",
        "key": f"n{seq}",
        "operation": INSERT,
    } | fields
    if given["operation"] == INSERT and "data" not in given:
        given["data"] = b"{}"
    return upload_pb2.Change(**{name: value for name, value in given.items() if value is not None})


def update(*edits: tuple[str, bytes | None, bytes | None], **fields: Any) -> upload_pb2.Change:
    """An update of a book."""
    messages = [upload_pb2.FieldEdit(name=name, old_value=old, new_value=new) for name, old, new in edits]
    return change(operation=UPDATE, object_type="book", key='["A",7]', edits=messages, **fields)


def book(data: dict[str, Any] | bytes, key: str = '["A",7]') -> upload_pb2.Change:
    """The insert of a book."""
    return change(object_type="book", key=key, data=data if isinstance(data, bytes) else canonical_bytes(data))


def read(*messages: upload_pb2.Change) -> ReadChanges:
    return read_changes(messages, RULES, now=5)


def refused(*messages: upload_pb2.Change) -> list[tuple[str, str] | None]:
    """Reason and field of each change's refusal. What is read can always be given to a store."""
    changes = read(*messages).changes
    check_batch(UploadBatch(None, 0, changes, {}, stream_id=1, now=1))
    found = [each.refusal for each in changes]
    return [None if refusal is None else (refusal.reason, refusal.field) for refusal in found]


def test_an_insert_is_read_and_prepared() -> None:
    message = book(DUNE)
    message.bucket = "red"

    got = read(message)

    (read_change,) = got.changes
    assert read_change.refusal is None
    assert (read_change.content.operation, read_change.content.data) == (Operation.INSERT, DUNE)
    write = got.inserts[1]
    assert (write.key, write.bucket, write.modified_at) == ('["A",7]', "red", 5)
    assert write.data_hash == data_hash(message.data)
    assert write.frame is not None
    frame = frame_pb2.Frame.FromString(write.frame)
    assert (frame.object_type, frame.key, frame.bucket) == ("book", '["A",7]', "red")
    assert (frame.modified_at_us, frame.data) == (5, message.data)


def test_an_update_and_a_delete_are_read() -> None:
    (edited,) = read(
        update(("title", b'"Dune"', '"Düne"'.encode()), ("tags", None, b"[1]"), ("price", b'"1"', None))
    ).changes
    (deleted,) = read(change(operation=DELETE, deleted_hash=bytes(16), base_revision=3)).changes

    assert edited.content.edits == (
        Edit("title", '"Dune"', '"Düne"'),
        Edit("tags", None, "[1]"),
        Edit("price", '"1"', None),
    )
    assert (deleted.content.operation, deleted.content.deleted_hash) == (Operation.DELETE, bytes(16))
    assert deleted.base_revision == 3


def test_all_that_was_sent_is_in_the_payload_hash() -> None:
    first = read(change()).changes[0].payload_hash
    again = read(upload_pb2.Change.FromString(change().SerializeToString())).changes[0].payload_hash
    others = [change(2), change(data=b'{"text":""}'), change(made_at_us=1), change(base_revision=1), change(bucket="b")]
    hashes = {read(other).changes[0].payload_hash for other in others}

    assert first == again
    assert len(hashes | {first}) == 6
    assert len(first) == 16


TITLE = ("title", b'"a"', b'"b"')


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        (change(object_type="nothing"), "CHANGE_INVALID", "object_type"),
        (change(object_type=""), "CHANGE_INVALID", "object_type"),
        (change(object_type="no\0te"), "CHANGE_INVALID", "object_type"),
        (change(object_type="n" * 5_000), "CHANGE_INVALID", "object_type"),
        (change(object_type="list"), "TYPE_READ_ONLY", ""),
        (change(key=""), "CHANGE_INVALID", "key"),
        (change(key="a\0b"), "CHANGE_INVALID", "key"),
        (change(key="k" * (KEY_LENGTH_MAX + 1)), "CHANGE_INVALID", "key"),
        (change(base_revision=-1), "CHANGE_INVALID", "base_revision"),
        (change(group_size=1), "CHANGE_INVALID", "group_size"),
        (change(transaction_id=b"x" * 17, group_size=1), "CHANGE_INVALID", "transaction_id"),
        (change(operation=None), "CHANGE_INVALID", "operation"),
        (change(operation=9), "CHANGE_INVALID", "operation"),
        (change(bucket="b" * 201), "CHANGE_INVALID", "bucket"),
        (change(bucket="a\0b"), "CHANGE_INVALID", "bucket"),
        (change(data=None), "CHANGE_INVALID", "data"),
        (change(data=b""), "CHANGE_INVALID", "data"),
        (change(data=b"[]"), "CHANGE_INVALID", "data"),
        (change(data=b'{"text": "a"}'), "CHANGE_INVALID", "data"),
        (change(data=b'{"text":null}'), "CHANGE_INVALID", "data"),
        (change(data=b'{"text":"a","text":"a"}'), "CHANGE_INVALID", "data"),
        (change(data=b'{"text":"\\u0000"}'), "CHANGE_INVALID", "text"),
        (change(data=b'{"text":"\xff"}'), "CHANGE_INVALID", "data"),
        (change(data=b'{"more":1}'), "CHANGE_INVALID", "more"),
        (change(data=b'{"text":1}'), "CHANGE_INVALID", "text"),
        (change(data=b'{"text":"' + b"x" * 1_000_000 + b'"}'), "CHANGE_TOO_LARGE", "data"),
        (change(edits=[upload_pb2.FieldEdit(name="text")]), "CHANGE_INVALID", "edits"),
        (change(deleted_hash=bytes(16)), "CHANGE_INVALID", "deleted_hash"),
        (book({"shelf": "A", "number": 7}), "CHANGE_INVALID", "title"),
        (book(DUNE | {"title": "x" * 11}), "CHANGE_INVALID", "title"),
        (book(DUNE | {"number": "7"}), "CHANGE_INVALID", "number"),
        (book(DUNE | {"price": "1,50"}), "CHANGE_INVALID", "price"),
        (book(DUNE, key='["A",8]'), "KEY_CHANGED", "key"),
        (book(DUNE | {"shelf": "s" * KEY_LENGTH_MAX}), "CHANGE_INVALID", "key"),
        (update(), "CHANGE_INVALID", "edits"),
        (update(*[TITLE] * 501), "CHANGE_INVALID", "edits"),
        (update(TITLE, bucket="b"), "CHANGE_INVALID", "bucket"),
        (update(TITLE, data=b"{}"), "CHANGE_INVALID", "data"),
        (update(TITLE, deleted_hash=bytes(16)), "CHANGE_INVALID", "deleted_hash"),
        (update(TITLE, TITLE), "CHANGE_INVALID", "title"),
        (update(("more", None, b"1")), "CHANGE_INVALID", "more"),
        (update(("m\0re" * 100, None, b"1")), "CHANGE_INVALID", ("m\\0re" * 50)[:250]),
        (update(("number", b"7", b"8")), "KEY_CHANGED", "number"),
        (update(("title", b'"a"', None)), "CHANGE_INVALID", "title"),
        (update(("title", b'"a"', b"null")), "CHANGE_INVALID", "title"),
        (update(("title", b'"a"', b"5")), "CHANGE_INVALID", "title"),
        (update(("title", b'"a"', b'"b" ')), "CHANGE_INVALID", "title"),
        (update(("title", b"a", b'"b"')), "CHANGE_INVALID", "title"),
        (update(("title", b"", b'"b"')), "CHANGE_INVALID", "title"),
        (update(("tags", b"null", b"1")), "CHANGE_INVALID", "tags"),
        (update(("tags", b"1.0", b"1")), "CHANGE_INVALID", "tags"),
        (update(("tags", None, b"[" * 70 + b"]" * 70)), "CHANGE_INVALID", "tags" + "[0]" * 64),
        (update(("tags", None, b'{"a":["\\u0000"]}')), "CHANGE_INVALID", "tags.a[0]"),
        (update(("tags", None, b'"' + b"x" * 1_000_000 + b'"')), "CHANGE_TOO_LARGE", "tags"),
        (change(operation=DELETE), "CHANGE_INVALID", "deleted_hash"),
        (change(operation=DELETE, deleted_hash=bytes(15)), "CHANGE_INVALID", "deleted_hash"),
        (change(operation=DELETE, deleted_hash=bytes(16), data=b"{}"), "CHANGE_INVALID", "data"),
        (change(operation=DELETE, deleted_hash=bytes(16), bucket="b"), "CHANGE_INVALID", "bucket"),
        (
            change(operation=DELETE, deleted_hash=bytes(16), edits=[upload_pb2.FieldEdit(name="text")]),
            "CHANGE_INVALID",
            "edits",
        ),
    ],
)
def test_a_change_that_breaks_a_rule_is_refused_and_the_rest_goes_on(
    message: upload_pb2.Change, reason: str, field: str
) -> None:
    assert refused(message, change(2)) == [(reason, field), None]


def test_the_largest_key_and_record_are_taken() -> None:
    largest = b'{"text":"' + b"x" * (1_000_000 - 11) + b'"}'

    assert refused(change(key="k" * KEY_LENGTH_MAX, data=largest)) == [None]


def test_the_new_values_of_an_update_must_fit_a_record() -> None:
    half = b'"' + b"x" * 500_000 + b'"'
    fits = upload_pb2.FieldEdit(name="s", old_value=half, new_value=half)
    too_much = upload_pb2.FieldEdit(name="j", new_value=half)

    one = change(1, operation=UPDATE, object_type="anything", edits=[fits])
    both = change(2, operation=UPDATE, object_type="anything", edits=[fits, too_much])
    assert refused(one, both) == [None, ("CHANGE_TOO_LARGE", "edits")]


def test_a_group_comes_whole_or_is_refused_whole() -> None:
    def member(seq: int, size: int, identity: bytes = b"g", **fields: Any) -> upload_pb2.Change:
        return change(seq, transaction_id=identity, group_size=size, **fields)

    incomplete, too_large = ("GROUP_INCOMPLETE", "group_size"), ("CHANGE_TOO_LARGE", "group_size")
    assert refused(member(1, 2), member(2, 2)) == [None, None]
    assert refused(member(1, 1), change(2), member(3, 2, b"h"), member(4, 2, b"h")) == [None] * 4
    assert refused(member(1, 3), member(2, 3), change(3)) == [incomplete, incomplete, None]
    assert refused(member(1, 1), member(2, 1)) == [incomplete, incomplete]
    assert refused(member(1, 2), member(2, 1)) == [incomplete, incomplete]
    assert refused(member(1, 0), member(2, -1, b"h")) == [incomplete, incomplete]
    assert refused(member(1, 1_001), change(2)) == [too_large, None]
    again = refused(member(1, 2), member(2, 2), change(3), member(4, 2), member(5, 2))
    assert again == [None, None, None, incomplete, incomplete]
    own = refused(member(1, 2, data=b"?"), member(2, 3))
    assert own == [("CHANGE_INVALID", "data"), incomplete]


@pytest.mark.parametrize(
    ("request_fields", "fields"),
    [
        ({"store_epoch": ""}, ["store_epoch"]),
        ({"settled_through": -1}, ["settled_through"]),
        ({"changes": [change(4), change(6, change_uuid=b"short")]}, ["changes[1].change_uuid"]),
        ({"changes": [change(4), change(5, change_uuid=change(4).change_uuid)]}, ["changes[1].change_uuid"]),
        ({"changes": [change(4), change(4, change_uuid=bytes(16))]}, ["changes[1].change_seq"]),
        ({"changes": [change(3), change(5), change(4)]}, ["changes[0].change_seq", "changes[2].change_seq"]),
        ({"changes": [change(2**63 - 1)]}, ["changes[0].change_seq"]),
        ({"changes": [change(seq) for seq in range(4, 1_005)]}, ["changes"]),
        ({"changes": [change(seq, data=bytes(10**6)) for seq in range(4, 13)]}, ["changes"]),
    ],
)
def test_a_message_that_breaks_a_rule_ends_the_stream(request_fields: dict[str, Any], fields: list[str]) -> None:
    request = upload_pb2.UploadRequest(**({"store_epoch": "1"} | request_fields))

    with pytest.raises(InvalidRequest) as caught:
        check_request(request, after_seq=3, first=True)

    assert [violation.field for violation in caught.value.violations] == fields


def test_a_message_at_the_limits_is_taken() -> None:
    full = upload_pb2.UploadRequest(changes=[change(seq) for seq in range(1, limits.CHANGES_MAX + 1)])

    check_request(full, after_seq=0, first=False)
    check_request(upload_pb2.UploadRequest(changes=[change(2**63 - 2)]), after_seq=2**63 - 3, first=False)
    check_request(upload_pb2.UploadRequest(settled_through=3), after_seq=9, first=False)


ODD = {
    "s": TEXTS | st.text(max_size=5),
    "i": INTEGERS | DOUBLES | st.integers(2**63 - 2, 2**64 + 2),
    "n": DOUBLES | INTEGERS | st.floats(-1, 1) | st.floats(2.0**52, 2.0**65),
    "d": st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True),
    "t": st.dates().map(str),
    "m": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    "b": st.booleans() | st.sampled_from([0, 1]),
    "j": st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2)),
}


@st.composite
def spelled_records(draw: st.DrawFn) -> bytes:
    """Records of ANYTHING, most of them in canonical form or close to it."""
    names = draw(st.lists(st.sampled_from(sorted(ODD)), max_size=4, unique=True))
    record = {name: draw(ODD[name]) for name in names}
    if draw(st.integers(0, 3)):
        try:
            return canonical_bytes(record)
        except DataError:
            pass
    separators = draw(st.sampled_from([(",", ":"), (", ", ":")]))
    text = json.dumps(record, ensure_ascii=draw(st.booleans()), separators=separators, sort_keys=draw(st.booleans()))
    return text.encode(errors="surrogatepass")


def _closely(data: bytes) -> dict[str, Any] | None:
    """What the slow and strict way makes of it."""
    try:
        record = parse_object(data)
        check_record(ANYTHING, record)
        return record if canonicalize(data) == data else None
    except DataError:
        return None


@settings(max_examples=300, deadline=None)
@given(spelled_records())
@example(b'{"i":-0}')
@example(b'{"n":-0.0}')
@example(b'{"n":1.0}')
@example(b'{"n":1.5}')
@example(b'{"n":1e2}')
@example(b'{"n":1e+23}')
@example(b'{"n":1e23}')
@example(b'{"n":0.00001}')
@example(b'{"n":0.0001}')
@example(b'{"n":1e-7}')
@example(b'{"n":5e-324}')
@example(b'{"n":1e400}')
@example(b'{"n":NaN}')
@example(b'{"n":9007199254740993}')
@example(b'{"n":9.007199254740992e+15}')
@example(b'{"n":9223372036854775808}')
@example(b'{"i":9223372036854775807}')
@example(b'{"i":-9223372036854775808}')
@example(b'{"i":-9223372036854775809}')
@example(b'{"i":18446744073709551616}')
@example(b'{"s":"a","s":"a"}')
@example(b'{"s":"\\u0000"}')
@example(b'{"s":"\\\\u0000"}')
@example(b'{"s":"\\ud800"}')
@example(b'{"s":"\\u0041"}')
@example(b'{"s":"\\u001f\\b\\f\\n\\r\\t\\"\\\\/"}')
@example(b'{"s":"\\/"}')
@example('{"s":"\x7f\u2028\U0001f600"}'.encode())
@example(b'{"s":"\xed\xa0\x80"}')
@example(b'{"j":null}')
@example(b'{"j":[null,{"a":null}]}')
@example(b'{"j":{"b":1,"a":1}}')
@example(b"\xef\xbb\xbf{}")
@example(b"{} ")
@example(b"[]")
@example(b"")
def test_the_quick_way_takes_exactly_what_the_strict_one_does(data: bytes) -> None:
    try:
        record: dict[str, Any] | None = TypeRules(ANYTHING).inserted("k", data)
    except ChangeRefused:
        record = None

    strict = _closely(data)
    assert (record is None) == (strict is None)
    if record is not None and strict is not None:
        assert repr(sorted(record.items())) == repr(sorted(strict.items()))


def test_a_refusal_is_told_as_a_status() -> None:
    with_field = refusal_status(ChangeRefusal("CHANGE_INVALID", "is required", "title"))
    with_metadata = refusal_status(ChangeRefusal("GROUP_REJECTED", "x", metadata=(("change_seq", "3"),)))

    assert [packed.type_url.rpartition(".")[2] for packed in with_field.details] == ["ErrorInfo", "BadRequest"]
    assert with_field.message == "title: is required"
    assert [packed.type_url.rpartition(".")[2] for packed in with_metadata.details] == ["ErrorInfo"]
