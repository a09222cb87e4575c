"""One message of an upload stream: checked, and turned into storage's changes.

What breaks a rule of the message ends the stream; what breaks a rule of one change rejects that change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Final

from syncline.data.canonical import data_hash
from syncline.data.changes import Content, Operation
from syncline.data.errors import DataError
from syncline.data.keys import check_key
from syncline.data.limits import KEY_LENGTH_MAX, OBJECT_TYPE_NAME_LENGTH_MAX, RECORD_BYTES_MAX
from syncline.server import limits
from syncline.server.records import encode_frame
from syncline.server.upload.refusals import ChangeRefused, invalid, invalid_data, refusal
from syncline.server.upload.type_rules import SchemaRules, TypeRules
from syncline.server.violations import Violations
from syncline.storage.models import RecordWrite
from syncline.storage.upload_models import Change, ChangeRefusal
from syncline.v1 import upload_pb2

_UUID_BYTES: Final = 16
_HASH_BYTES: Final = 16
_SEQ_MAX: Final = (1 << 63) - 2
"""The number after it must be a number, too."""
_INSERT: Final = Operation.INSERT  # each change asks for it; see upload_plan
_NOTHING: Final = Content(Operation.DELETE)
"""The content of a change that is not read yet, or refused."""
_CONTENT_AT: Final = Change._fields.index("content")


@dataclass(frozen=True, slots=True)
class ReadChanges:
    """The changes of one message."""

    changes: tuple[Change, ...]
    inserts: Mapping[int, RecordWrite]
    """By change_seq, what an INSERT comes to if there is no such record yet."""


def check_request(request: upload_pb2.UploadRequest, *, after_seq: int, first: bool) -> None:
    """Check what concerns the message as a whole.

    Args:
        request: the message.
        after_seq: the number of the last change of the stream so far; 0: none.
        first: it is the first message of the stream.

    Raises:
        InvalidRequest: it breaks rules.
    """
    found = Violations()
    if first and not request.store_epoch:
        found.add("store_epoch", "must be given on the first message of a stream")
    if request.settled_through < 0:
        found.add("settled_through", "must not be negative")
    if found.count("changes", len(request.changes), limits.CHANGES_MAX):
        if request.ByteSize() > limits.UPLOAD_BYTES_MAX:
            found.add("changes", f"a message has at most {limits.UPLOAD_BYTES_MAX:,} bytes, not {request.ByteSize():,}")
        _check_numbers(request.changes, after_seq, found)
    found.raise_if_any()


def read_changes(messages: Sequence[upload_pb2.Change], rules: SchemaRules, *, now: int) -> ReadChanges:
    """The changes of a message that was checked; those that break a rule carry their refusal.

    `now` is the time that their records get as theirs, in microseconds since the Unix epoch.
    """
    inserts: dict[int, RecordWrite] = {}
    broken = _broken_groups(messages)
    changes = []
    for index, message in enumerate(messages):
        change = _unread(message)
        try:
            type_rules = _type_rules(change, message.group_size, rules)
            content = _content(message, change, type_rules)
            if index in broken:
                changes.append(_refused(change, broken[index]))
                continue
        except ChangeRefused as error:
            changes.append(_refused(change, error.refusal))
            continue
        if content.data is not None:
            inserts[change.change_seq] = _insert_write(change, message.data, now)
        changes.append(Change._make((*change[:_CONTENT_AT], content, None)))
    return ReadChanges(tuple(changes), inserts)


def _insert_write(change: Change, data: bytes, now: int) -> RecordWrite:
    """What an INSERT of this canonical data comes to where there is no such record."""
    frame = encode_frame(change.object_type, change.key, change.bucket, now, data)
    return RecordWrite(change.object_type, change.key, frame, data_hash(data), now, change.bucket)


def _check_numbers(messages: Sequence[upload_pb2.Change], after_seq: int, found: Violations) -> None:
    """Check by what a change is known: without it there is nothing to leave a receipt under."""
    identities: set[bytes] = set()
    for index, message in enumerate(messages):
        seq, identity = message.change_seq, message.change_uuid
        if len(identity) != _UUID_BYTES:
            found.add(f"changes[{index}].change_uuid", f"must have {_UUID_BYTES} bytes, not {len(identity)}")
        elif identity in identities:
            found.add(f"changes[{index}].change_uuid", "stands twice in the message")
        identities.add(identity)
        if not after_seq < seq <= _SEQ_MAX:
            found.add(f"changes[{index}].change_seq", f"must be above {after_seq}, the number before it, not {seq}")
        after_seq = max(after_seq, seq)


def _type_rules(change: Change, group_size: int, rules: SchemaRules) -> TypeRules:
    """Check what is common to all operations; answer the rules of the object type."""
    type_rules = rules.of(change.object_type)
    if type_rules is None:
        raise invalid(f"there is no object type {change.object_type!r:.100}", "object_type")
    if type_rules.kind.read_only:
        raise ChangeRefused("TYPE_READ_ONLY", f"devices may not change records of {change.object_type!r}")
    try:
        check_key(change.key)
    except DataError as error:
        raise invalid_data(error) from error
    if change.base_revision < 0:
        raise invalid("must not be negative", "base_revision")
    if change.transaction_id:
        if len(change.transaction_id) > limits.TRANSACTION_ID_BYTES_MAX:
            raise invalid(f"at most {limits.TRANSACTION_ID_BYTES_MAX} bytes", "transaction_id")
    elif group_size:
        raise invalid("must be 0 without a transaction_id", "group_size")
    return type_rules


def _content(message: upload_pb2.Change, change: Change, rules: TypeRules) -> Content:
    """What the change says, held to the schema."""
    if message.operation == upload_pb2.OPERATION_INSERT:
        return _insert(message, change, rules)
    if change.bucket:
        raise invalid("only an INSERT names a bucket", "bucket")
    if message.HasField("data"):
        raise invalid("only an INSERT has data", "data")
    if message.operation == upload_pb2.OPERATION_UPDATE:
        return _update(message, rules)
    if message.operation != upload_pb2.OPERATION_DELETE:
        raise invalid("must be INSERT, UPDATE or DELETE", "operation")
    if message.edits:
        raise invalid("only an UPDATE has edits", "edits")
    if len(message.deleted_hash) != _HASH_BYTES:
        raise invalid(f"a DELETE has a hash of {_HASH_BYTES} bytes, not {len(message.deleted_hash)}", "deleted_hash")
    return Content(Operation.DELETE, deleted_hash=message.deleted_hash)


def _insert(message: upload_pb2.Change, change: Change, rules: TypeRules) -> Content:
    if not message.HasField("data"):
        raise invalid("an INSERT has data", "data")
    if message.edits:
        raise invalid("only an UPDATE has edits", "edits")
    if message.deleted_hash:
        raise invalid("only a DELETE has a hash", "deleted_hash")
    bucket = change.bucket
    if bucket and (len(bucket) > limits.BUCKET_CHARS_MAX or "\0" in bucket):
        raise invalid(f"at most {limits.BUCKET_CHARS_MAX} characters, and no NUL", "bucket")
    return Content(_INSERT, rules.inserted(change.key, message.data))


def _update(message: upload_pb2.Change, rules: TypeRules) -> Content:
    if message.deleted_hash:
        raise invalid("only a DELETE has a hash", "deleted_hash")
    if not 1 <= len(message.edits) <= limits.EDITS_MAX:
        raise invalid(f"an UPDATE has 1 to {limits.EDITS_MAX} edits, not {len(message.edits):,}", "edits")
    edits = tuple(map(rules.edit, message.edits))
    names: set[str] = set()
    for edit in edits:
        if edit.name in names:
            raise invalid("is edited twice", edit.name)
        names.add(edit.name)
    size = sum(len(edit.new_value) for edit in message.edits)
    if size > RECORD_BYTES_MAX:
        what = f"the new values have {size:,} bytes; a record has at most {RECORD_BYTES_MAX:,}"
        raise ChangeRefused("CHANGE_TOO_LARGE", what, "edits")
    return Content(Operation.UPDATE, edits=edits)


def _broken_groups(messages: Sequence[upload_pb2.Change]) -> dict[int, ChangeRefusal]:
    """By place, the changes whose transaction did not come whole."""
    broken: dict[int, ChangeRefusal] = {}
    seen: set[bytes] = set()
    for identity, run in groupby(enumerate(messages), key=lambda each: each[1].transaction_id):
        if not identity:
            continue
        members = list(run)
        for index, message in members:
            size = message.group_size
            if size > limits.CHANGES_MAX:
                why = f"a transaction has at most {limits.CHANGES_MAX:,} changes, not {size:,}"
                broken[index] = refusal("CHANGE_TOO_LARGE", why, "group_size")
            elif identity in seen:
                broken[index] = refusal("GROUP_INCOMPLETE", "the transaction came apart in one message", "group_size")
            elif any(other.group_size != len(members) for _, other in members):
                why = f"{len(members):,} changes of the transaction came together, where one names {size:,}"
                broken[index] = refusal("GROUP_INCOMPLETE", why, "group_size")
        seen.add(identity)
    return broken


def _unread(message: upload_pb2.Change) -> Change:
    """The change without its content. What it is known by is read here once: each read of a message makes a copy."""
    return Change(
        message.change_uuid,
        message.change_seq,
        blake2b(message.SerializeToString(deterministic=True), digest_size=_HASH_BYTES).digest(),
        message.transaction_id,
        message.object_type,
        message.key,
        message.bucket,
        message.base_revision,
        _NOTHING,
    )


def _refused(change: Change, why: ChangeRefusal) -> Change:
    """The change, refused; its names are such that a store can look them up."""
    return change._replace(
        object_type=_lookable(change.object_type, OBJECT_TYPE_NAME_LENGTH_MAX),
        key=_lookable(change.key, KEY_LENGTH_MAX),
        bucket=_lookable(change.bucket, limits.BUCKET_CHARS_MAX),
        refusal=why,
    )


def _lookable(name: str, length_max: int) -> str:
    """The name, or none if no record can have it: what would be made of it might be the name of another record."""
    return name if len(name) <= length_max and "\0" not in name else ""
