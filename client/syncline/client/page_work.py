"""One page in the handler's hands: what was handled so far, how, and what of it the server still has to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from syncline.client.answers import Ack, Nack
from syncline.client.errors import HandlerError
from syncline.client.items import Meta
from syncline.client.pages import Page
from syncline.v1 import sync_service_pb2

REJECTIONS_MAX = 1_000
"""How many rejections one Acknowledge takes."""

REASON_CHARS_MAX = 500

ItemId = tuple[str, str]
"""Object type and key."""


class Handled(NamedTuple):
    """How an item was answered that the server may not know of yet."""

    revision: int
    rejection: str | None
    """The reason; None: the item was accepted."""


class PageWork:
    """One page being handled, item by item, in order."""

    def __init__(self, page: Page, known: Mapping[ItemId, Handled]) -> None:
        self.page = page
        self.rejections: list[sync_service_pb2.Rejection] = []
        """Of what was handled since the last acknowledgement."""
        self.handler_calls = 0
        """Items given out since the run last counted them."""
        self._known = known
        self._size = sum(len(segment.frames) for segment in page.message.segments)
        self._handled = 0
        self._acknowledged = 0

    @property
    def done(self) -> bool:
        """Is every item handled?"""
        return self._handled == self._size

    @property
    def unacknowledged(self) -> int:
        """How many items were handled since the last acknowledgement."""
        return self._handled - self._acknowledged

    def items(self) -> Iterator[tuple[Meta, bytes | None]]:
        """The items that the handler has to see. Those that it has seen in this run are answered as before.

        After each item, call `answer` or `reject` before asking for the next.
        """
        for meta, raw in self.page.raw_items():
            before = self._known.get((meta.object_type, meta.key)) if self._known else None
            if before is None or not _still_holds(before, meta):
                self.handler_calls += 1
                yield meta, raw
            elif before.rejection is None:
                self._handled += 1
            else:
                self.reject(meta, before.rejection)

    def answer(self, meta: Meta, answer: object) -> None:
        """Take the handler's answer for the item.

        Raises:
            HandlerError: it is none. The item counts as not handled.
        """
        if answer is Ack.ACK:
            self._handled += 1
        elif answer is Ack.NACK:
            self.reject(meta, "")
        elif isinstance(answer, Nack):
            self.reject(meta, answer.reason)
        else:
            raise HandlerError(meta, answer)

    def reject(self, meta: Meta, reason: str) -> None:
        """Note that the device cannot take the item."""
        self.rejections.append(
            sync_service_pb2.Rejection(
                object_type=meta.object_type, key=meta.key, revision=meta.revision, reason=_sendable(reason)
            )
        )
        self._handled += 1

    def ack_keys(self) -> list[str]:
        """The keys for what was handled since the last acknowledgement.

        The page's own key is used only if it can go together with all rejections of the page: a key that comes
        in a later call than a rejection would accept the item after all.
        """
        if self.done and self._acknowledged == 0:
            return [self.page.ack_key] if self.page.ack_key else []
        return self.page.item_ack_keys()[self._acknowledged : self._handled]

    def acknowledged(self) -> None:
        """Note that the server was told of all that was handled so far."""
        self._acknowledged = self._handled
        self.rejections = []

    def untold(self) -> Iterator[tuple[ItemId, Handled]]:
        """What was handled since the last acknowledgement, and how."""
        reasons = {(r.object_type, r.key, r.revision): r.reason for r in self.rejections}
        for index, (meta, _) in enumerate(self.page.raw_items()):
            if self._acknowledged <= index < self._handled:
                reason = reasons.get((meta.object_type, meta.key, meta.revision))
                yield (meta.object_type, meta.key), Handled(meta.revision, reason)


def describe(error: Exception) -> str:
    """The reason for rejecting an item whose handler raised the error."""
    return f"{type(error).__name__}: {error}"


def _still_holds(before: Handled, meta: Meta) -> bool:
    """Is the answer given before also the answer for this item?

    Not if it has changed since. Nor if it is sent again because the server knows of the rejection: that asks
    for another try.
    """
    return before.revision == meta.revision and not (meta.redelivered and before.rejection is not None)


def _sendable(reason: str) -> str:
    """The reason without what no server keeps: lone surrogates, NUL, more than it stores."""
    return reason[:REASON_CHARS_MAX].encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
