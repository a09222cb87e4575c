"""A page, opened: its items as rows, by object type. Pure but for the load numbers it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from syncline.client.errors import PageMissing
from syncline.replica.feeds import Feeds
from syncline.replica.refusals import REASON_LENGTH_MAX, Refusal
from syncline.v1 import frame_pb2, queue_pb2

Row = tuple[str, str, int, int, str]
"""key, bucket, revision, load number, data."""

Delete = tuple[str, str, int, int, None]
"""A row without data."""


class Candidate(NamedTuple):
    """An item that the application is asked about before it is stored."""

    object_type: str
    key: str
    bucket: str
    revision: int


Accept = Callable[[Candidate, dict[str, Any]], str | None]
"""Looks at an item before it is stored: None takes it, a text refuses it for that reason, and so does an exception.

It is asked about records, never about deletes, and must not depend on what was stored before: pages may come again.
"""


@dataclass(slots=True)
class Incoming:
    """The items of one page."""

    upserts: dict[str, list[Row]] = field(default_factory=dict)
    deletes: dict[str, list[Delete]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    redelivered: list[tuple[str, str, int]] = field(default_factory=list)
    """(object type, key, revision) of what was refused before and was sent again by key."""

    def screen(self, objection: Callable[[str, Row], str | None], types: Iterable[str] | None = None) -> None:
        """Move the records to which there is an objection from `upserts` to `refusals`."""
        for object_type in list(self.upserts if types is None else types):
            taken = []
            for row in self.upserts[object_type]:
                reason = objection(object_type, row)
                if reason is None:
                    taken.append(row)
                else:
                    self.refuse(object_type, row[0], row[2], reason)
            if taken:
                self.upserts[object_type] = taken
            else:
                del self.upserts[object_type]

    def refuse(self, object_type: str, key: str, revision: int, reason: str) -> None:
        """Refuse one item."""
        self.refusals.append(Refusal(object_type, key, revision, reason[:REASON_LENGTH_MAX]))


def open_page(message: queue_pb2.QueuePage, feeds: Feeds) -> Incoming:
    """Parse the frames of a page. `feeds` has taken over the page's positions already.

    Raises:
        PageMissing: a frame cannot be parsed, so that not even its key is known; the page is worth nothing.
    """
    incoming = Incoming()
    try:
        for segment in message.segments:
            _open_segment(segment, feeds.load_no(segment.scope, segment.bucket), incoming)
    except (DecodeError, ValueError) as error:
        raise PageMissing(f"page {message.page_number} of the queue is garbled: {error}") from error
    return incoming


def _open_segment(segment: queue_pb2.Segment, load_no: int, incoming: Incoming) -> None:
    """This loop runs once for every item there is, and is as short as it can be."""
    parse = frame_pb2.Frame.FromString
    bucket = segment.bucket
    upserts, deletes = incoming.upserts, incoming.deletes
    current = ""
    rows: list[Row] = []
    for encoded, revision in zip(segment.frames, segment.revisions, strict=True):
        frame = parse(encoded)
        object_type = frame.object_type
        data = frame.data
        if data:
            if object_type != current:
                current = object_type
                rows = upserts.setdefault(object_type, [])
            try:
                rows.append((frame.key, bucket, revision, load_no, data.decode()))
            except UnicodeDecodeError as error:
                incoming.refuse(object_type, frame.key, revision, f"the data is not UTF-8: {error}")
        elif frame.HasField("data"):
            incoming.refuse(object_type, frame.key, revision, "the data is empty")
        else:
            deletes.setdefault(object_type, []).append((frame.key, bucket, revision, load_no, None))
        if segment.redelivered:
            incoming.redelivered.append((object_type, frame.key, revision))


def ask(accept: Accept, object_type: str, row: Row) -> str | None:
    """The application's objection to an item; None if it takes it."""
    key, bucket, revision, _, data = row
    try:
        return accept(Candidate(object_type, key, bucket, revision), json.loads(data))
    except Exception as error:  # noqa: BLE001 - whatever the application raises refuses this item, and only it
        return f"{type(error).__name__}: {error}"
