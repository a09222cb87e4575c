"""What every store limits, and the strings that no store takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from syncline.data.limits import KEY_LENGTH_MAX
from syncline.storage.audit_models import Act
from syncline.storage.errors import InvalidValue, LimitReached
from syncline.storage.models import KeyRange, OpenQueue, RecordWrite
from syncline.storage.upload_models import Change, UploadBatch

WRITES_MAX = 5000
FRAME_BYTES_MAX = 1 << 20
GAPS_MAX = 1000
"""Gaps between acknowledged intervals, per device and feed."""
REJECTIONS_MAX = 1000
"""Rejections per device."""
CHANGES_MAX = 1000
"""Changes in one batch of an upload."""
PAYLOAD_CHUNK_BYTES_MAX = 1 << 20
"""Bytes of a payload in one piece."""
COUNT_MAX = 1_000_000
"""Where counting of a session's items stops."""
CONTACT_INTERVAL_US = 60_000_000
"""Contact, and the end of a session, need not be written more often than this."""


def check_text(field: str, value: str) -> None:
    """Raise `InvalidValue` if a string cannot be kept by every database."""
    if "\x00" in value:
        raise InvalidValue(field, "must not contain a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValue(field, "must not contain a lone surrogate") from None


def check_texts(field: str, values: Iterable[str]) -> None:
    """`check_text` for each of the values."""
    check_text(field, "".join(values))  # which holds what any of them holds


def check_key(key: str) -> None:
    """Raise `InvalidValue` unless this can be a record's key."""
    check_keys((key,))


def check_keys(keys: Collection[str]) -> None:
    """`check_key` for each of the keys."""
    if max(map(len, keys), default=0) > KEY_LENGTH_MAX:
        raise InvalidValue("key", f"at most {KEY_LENGTH_MAX} characters")
    check_texts("key", keys)


def check_writes(writes: Sequence[RecordWrite]) -> None:
    """Check all of a batch before any of it is written.

    Raises:
        InvalidValue: a string that cannot be kept, or a key that is too long.
        LimitReached: too many writes, or a frame too large.
    """
    if len(writes) > WRITES_MAX:
        raise LimitReached("writes in one call", WRITES_MAX)
    check_texts("object_type", {write.object_type for write in writes})
    check_keys([write.key for write in writes])
    check_texts("bucket", {write.bucket or "" for write in writes})
    check_frames(writes)


def check_frames(writes: Iterable[RecordWrite]) -> None:
    """Raise `LimitReached` if a frame is too large."""
    for write in writes:
        if write.frame is not None and len(write.frame) > FRAME_BYTES_MAX:
            raise LimitReached("bytes in a frame", FRAME_BYTES_MAX)


def check_request(request: OpenQueue) -> None:
    """Raise `InvalidValue` if a string of what a device asks for cannot be kept."""
    check_texts("scopes", request.scopes)
    for scope, buckets in request.buckets.items():
        check_text("filters.scope", scope)
        check_texts("filters.buckets", buckets)
    for told in request.told:
        check_texts("positions", told.feed)
    for refusal in request.refused:
        check_texts("refused", (refusal.object_type, refusal.key, refusal.reason))
    check_text("client", request.client)


def check_batch(batch: UploadBatch) -> None:
    """Check all of a batch of changes before any of it is decided. What is refused already is not stored.

    Raises:
        InvalidValue: a string that cannot be kept, or a key that is too long.
        LimitReached: too many changes.
    """
    if len(batch.changes) > CHANGES_MAX:
        raise LimitReached("changes in one message", CHANGES_MAX)
    for change in batch.changes:
        if change.refusal is None:
            check_change(change)


def check_change(change: Change) -> None:
    """Raise `InvalidValue` if a string of a change cannot be kept, or its key is too long."""
    check_text("object_type", change.object_type)
    check_key(change.key)
    check_text("bucket", change.bucket)


def check_ranges(object_type: str, bucket: str, ranges: Iterable[KeyRange]) -> None:
    """Raise `InvalidValue` if a string of a question about ranges of keys could not be kept."""
    check_text("object_type", object_type)
    check_text("bucket", bucket)
    for wanted in ranges:
        check_texts("ranges", (wanted.after_key or "", wanted.through_key or ""))


def check_act(act: Act | None) -> None:
    """Raise `InvalidValue` for an act that no store can keep."""
    if act is None:
        return
    check_texts("act", (act.principal, act.credential, act.action, act.subject, act.outcome, *act.details.values()))
