"""Writes to the store of a test's server: notes, whose key is their id."""

from __future__ import annotations

from collections.abc import Iterable

from syncline.client import Ack, Data, Meta
from syncline.server.records import RecordEncoder, delete_write
from syncline.storage import Store
from tests.harness.server import NOTES

ACCOUNT = "dev"


def write_notes(store: Store, texts: dict[str, str]) -> None:
    """Create or change notes: the text of each id."""
    encoder = RecordEncoder(NOTES)
    writes = [encoder.write({"id": key, "text": text}, modified_at=1_000_000) for key, text in texts.items()]
    for start in range(0, len(writes), 5_000):
        store.write_records(ACCOUNT, writes[start : start + 5_000])


def number_notes(count: int, *, first: int = 0) -> dict[str, str]:
    """Notes with numbers as ids."""
    return {f"{number:06}": f"text {number}" for number in range(first, first + count)}


def delete_notes(store: Store, keys: Iterable[str]) -> None:
    """Delete these notes."""
    store.write_records(ACCOUNT, [delete_write("note", key, modified_at=2_000_000) for key in keys])


class Copy:
    """An application that keeps what it gets."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.handled: list[tuple[str, int]] = []

    def __call__(self, meta: Meta, data: Data | None) -> Ack:
        self.handled.append((meta.key, meta.revision))
        if data is None:
            self.texts.pop(meta.key, None)
        else:
            self.texts[meta.key] = data["text"]
        return Ack.ACK
