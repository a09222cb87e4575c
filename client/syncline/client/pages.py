"""A page of the queue, opened."""

from __future__ import annotations

import json
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from syncline.client.errors import PageInvalid
from syncline.client.items import Data, EventType, Meta
from syncline.v1 import frame_pb2, queue_pb2

_EVENT_TYPES = {int(event): event for event in EventType}

_decode_json = json.JSONDecoder().decode


class Page:
    """One page. `message` is the message itself, for what has no short form here."""

    __slots__ = ("message",)

    def __init__(self, message: queue_pb2.QueuePage) -> None:
        self.message = message

    @property
    def number(self) -> int:
        """1, 2, 3 … within one stream, or within one session of FetchQueue."""
        return self.message.page_number

    @property
    def ack_key(self) -> str:
        """Acknowledges the whole page; empty if there is nothing to acknowledge."""
        return self.message.page_ack_key

    @property
    def checkpoint(self) -> queue_pb2.Checkpoint | None:
        """Set if the device stands at a checkpoint once this page is stored."""
        return self.message.checkpoint if self.message.HasField("checkpoint") else None

    def items(self) -> Iterator[tuple[Meta, Data | None]]:
        """The items in the order of the page; data is None for a delete.

        Raises:
            PageInvalid: the page breaks the contract.
            ValueError: the data is no JSON object.
        """
        for meta, raw in self.raw_items():
            yield meta, None if raw is None else parse_data(raw)

    def raw_items(self) -> Iterator[tuple[Meta, bytes | None]]:
        """The items in the order of the page, with their data as it came: canonical JSON in UTF-8.

        Raises:
            PageInvalid: the page breaks the contract.
        """
        parse = frame_pb2.Frame.FromString
        for segment in self.message.segments:
            scope, bucket, redelivered = segment.scope, segment.bucket, segment.redelivered
            if not len(segment.frames) == len(segment.revisions) == len(segment.event_types):
                raise PageInvalid(f"page {self.number}: the lists of a segment differ in length")
            for encoded, revision, event in zip(segment.frames, segment.revisions, segment.event_types, strict=True):
                try:
                    frame = parse(encoded)
                except DecodeError as error:
                    raise PageInvalid(f"page {self.number}: the item of revision {revision} is no frame") from error
                yield (
                    Meta(
                        frame.object_type,
                        frame.key,
                        # A newer server may know more events; that the record changed is always true.
                        _EVENT_TYPES.get(event, EventType.UPDATED),
                        revision,
                        scope,
                        bucket,
                        frame.modified_at_us,
                        redelivered,
                    ),
                    frame.data if frame.HasField("data") else None,
                )

    def item_ack_keys(self) -> list[str]:
        """The acknowledgement key of each item, in the order of `items`; empty unless they were asked for."""
        return [key for segment in self.message.segments for key in segment.item_ack_keys]


def parse_data(raw: bytes) -> Data:
    """The fields of a record.

    Raises:
        ValueError: that is no JSON object.
    """
    data = _decode_json(raw.decode())
    if not isinstance(data, dict):
        raise ValueError("the data is no JSON object")  # noqa: TRY004 - a bad value, as all others here
    return data
