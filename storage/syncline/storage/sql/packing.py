"""How lists that are only read and written whole are kept in one column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from struct import Struct
from typing import Any, Final

from syncline.data.changes import Verdict
from syncline.storage.models import Feed, Interval, Position, SessionFeed
from syncline.storage.upload_models import ChangeRefusal, Receipt

_NOT_LAST: Final = bytes(range(0x80, 0x100))
"""Bytes of a variable-length integer after which it goes on."""
_RECEIPT: Final = Struct(">Q16s16sQB")
"""Number, UUID, payload hash, revision, verdict."""
RECEIPT_BYTES: Final = _RECEIPT.size
_VERDICTS: Final = (Verdict.APPLIED, Verdict.MERGED, Verdict.SERVER_WON, Verdict.REJECTED)
"""A verdict is kept as its place in here."""
_VERDICT_PLACES: Final = {verdict: place for place, verdict in enumerate(_VERDICTS)}


def pack_intervals(intervals: Sequence[Interval]) -> bytes:
    """Ascending intervals as the distances between their ends, each a variable-length integer (LEB128)."""
    ends = [end for interval in intervals for end in (interval.above, interval.through)]
    packed = bytearray()
    for before, end in pairwise([0, *ends]):
        distance = end - before
        while distance > 0x7F:
            packed.append(distance & 0x7F | 0x80)
            distance >>= 7
        packed.append(distance)
    return bytes(packed)


def unpack_intervals(packed: bytes) -> tuple[Interval, ...]:
    """What `pack_intervals` was given."""
    ends: list[int] = []
    end = distance = shift = 0
    for byte in packed:
        distance |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            end += distance
            ends.append(end)
            distance = shift = 0
    return tuple(Interval(above, through) for above, through in zip(ends[::2], ends[1::2], strict=True))


def count_intervals(packed: bytes) -> int:
    """How many `pack_intervals` was given."""
    return len(packed.translate(None, _NOT_LAST)) // 2


def pack_session_feeds(feeds: Sequence[SessionFeed]) -> bytes:
    """The feeds of a session as JSON."""
    return _pack([[*_position_fields(feed.position), feed.start] for feed in feeds])


def unpack_session_feeds(packed: bytes) -> tuple[SessionFeed, ...]:
    """What `pack_session_feeds` was given."""
    return tuple(
        SessionFeed(
            Position(
                feed=Feed(scope, bucket),
                grant_id=grant_id,
                load_id=load_id,
                head_at_start=head_at_start,
                epoch=epoch,
                acked_through=acked_through,
                acked_beyond=unpack_intervals(bytes.fromhex(acked_beyond)),
            ),
            start,
        )
        for scope, bucket, grant_id, load_id, head_at_start, epoch, acked_through, acked_beyond, start in json.loads(
            packed
        )
    )


def pack_cursors(cursors: Mapping[Feed, int]) -> bytes:
    """Cursors by feed as JSON."""
    return _pack([[feed.scope, feed.bucket, cursor] for feed, cursor in cursors.items()])


def unpack_cursors(packed: bytes) -> dict[Feed, int]:
    """What `pack_cursors` was given."""
    return {Feed(scope, bucket): cursor for scope, bucket, cursor in json.loads(packed)}


def pack_receipts(receipts: Iterable[Receipt]) -> bytes:
    """Receipts as `RECEIPT_BYTES` each. Their refusals are kept apart: see `pack_refusals`."""
    pack, places = _RECEIPT.pack, _VERDICT_PLACES
    return b"".join(
        pack(seq, uuid, payload_hash, revision, places[verdict])
        for seq, uuid, payload_hash, verdict, revision, _, _ in receipts
    )


def pack_refusals(receipts: Iterable[Receipt]) -> str | None:
    """The refusals of the receipts as JSON, in ASCII: they may quote what no database takes as it is. None: none."""
    refusals = {
        receipt.change_seq: [refusal.reason, refusal.message, refusal.field, refusal.metadata, *(receipt.item or ())]
        for receipt in receipts
        if (refusal := receipt.refusal) is not None
    }
    return json.dumps(refusals, separators=(",", ":")) if refusals else None


def unpack_receipts(packed: bytes, refusals: str | None) -> Iterator[Receipt]:
    """What `pack_receipts` and `pack_refusals` were given."""
    by_seq = {} if refusals is None else json.loads(refusals)
    for seq, uuid, payload_hash, revision, place in _RECEIPT.iter_unpack(packed):
        refused = by_seq.get(str(seq))
        refusal, item = (None, None) if refused is None else _refused(refused)
        yield Receipt(seq, uuid, payload_hash, _VERDICTS[place], revision, refusal, item)


def refused_items(refusals: str) -> Iterator[tuple[int, ChangeRefusal, tuple[str, str] | None]]:
    """Of what `pack_refusals` made: number, refusal, and what was to be changed."""
    for seq, refused in json.loads(refusals).items():
        yield int(seq), *_refused(refused)


def _position_fields(position: Position) -> list[str | int]:
    return [
        *position.feed,
        position.grant_id,
        position.load_id,
        position.head_at_start,
        position.epoch,
        position.acked_through,
        pack_intervals(position.acked_beyond).hex(),
    ]


def _pack(rows: list[list[str | int]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def _refused(packed: Sequence[Any]) -> tuple[ChangeRefusal, tuple[str, str] | None]:
    """One refusal, and the item, which receipts of earlier programs do not have."""
    reason, message, field, metadata, *item = packed
    refusal = ChangeRefusal(reason, message, field, tuple((name, value) for name, value in metadata))
    return refusal, (item[0], item[1]) if item else None
