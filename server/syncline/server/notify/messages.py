"""Hints as messages between processes: what is on its way out, and what came in."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

import orjson
import structlog

from syncline.data import metrics
from syncline.server.notify.contract import Notifier
from syncline.server.telemetry.instruments import counter

_log = structlog.get_logger(__name__)
_RECEIVED = counter(metrics.NOTIFICATIONS_RECEIVED)

DEVICES_MAX: Final = 100
"""Devices that one message names: Postgres takes less than 8,000 bytes, and these make some 6,200 at most."""


class HintKind(StrEnum):
    """What a message tells; the names are those of the `Notifier`'s methods."""

    HEAD_MOVED = "head_moved"
    ACKNOWLEDGED = "acknowledged"
    STREAM_OPENED = "stream_opened"
    REQUEST_MADE = "request_made"
    REQUESTS_CHANGED = "requests_changed"


class Outbox:
    """Hints that other processes have not been told. Any number of them makes one message per account and kind.

    From any thread. A message holds ids only: `origin` (the process), `kind`, `account`, and `numbers`: the revision or
    the stream, by device, whose name is empty where none is meant.
    """

    def __init__(self) -> None:
        self.origin: Final = uuid4().hex
        """Tells the process's own messages from those of others."""
        self._turn = threading.Lock()
        self._waiting: dict[tuple[HintKind, str], dict[str, int]] = {}

    def put(self, kind: HintKind, account_id: str, device: str = "", number: int = 0) -> None:
        """Add a hint to what waits; of revisions the highest stays, of streams the last."""
        with self._turn:
            numbers = self._waiting.setdefault((kind, account_id), {})
            numbers[device] = max(number, numbers.get(device, 0)) if kind is HintKind.HEAD_MOVED else number

    def take(self) -> list[str]:
        """One message of each account and kind that has hints; devices beyond `DEVICES_MAX` wait for the next."""
        with self._turn:
            waiting, self._waiting = self._waiting, {}
            messages = []
            for (kind, account_id), numbers in waiting.items():
                devices = list(numbers)
                told = {device: numbers.pop(device) for device in devices[:DEVICES_MAX]}
                if numbers:
                    self._waiting[kind, account_id] = numbers
                message = {"origin": self.origin, "kind": kind, "account": account_id, "numbers": told}
                messages.append(orjson.dumps(message).decode())
            return messages

    def is_empty(self) -> bool:
        """Does nothing wait?"""
        return not self._waiting


def deliver(message: str, to: Notifier, *, origin: str) -> None:
    """Tell what a process said, unless it was this one. What is no message of ours is left out: it is a hint only."""
    try:
        hints = orjson.loads(message)
        if hints["origin"] == origin:
            return
        _RECEIVED.add(1)
        kind, account_id = HintKind(hints["kind"]), str(hints["account"])
        for device, number in hints["numbers"].items():
            _tell(to, kind, account_id, device, int(number))
    except (ValueError, KeyError, TypeError, AttributeError):
        _log.debug("not a hint", length=len(message))


def _tell(to: Notifier, kind: HintKind, account_id: str, device: str, number: int) -> None:
    match kind:
        case HintKind.HEAD_MOVED:
            to.head_moved(account_id, number)
        case HintKind.ACKNOWLEDGED:
            to.acknowledged(account_id, UUID(device))
        case HintKind.STREAM_OPENED:
            to.stream_opened(account_id, UUID(device), number)
        case HintKind.REQUEST_MADE:
            to.request_made(account_id)
        case HintKind.REQUESTS_CHANGED:
            to.requests_changed(account_id)
