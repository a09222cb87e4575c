"""A server over a store in memory, in a thread of its own, and writes to its store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from uuid import UUID

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.records import delete_write, record_write
from syncline.storage import Store, open_store
from tests.harness.server import RunningApp, running_app

ACCOUNT = "dev"
NOTE = ObjectType(
    "note", "main", (Field("id", FieldType.STRING, required=True), Field("text", FieldType.STRING)), ("id",)
)


def write_notes(store: Store, texts: dict[str, str], *, bucket: str | None = None) -> int:
    """Create or change notes: the text of each id. The head after it."""
    writes = [
        record_write(NOTE, {"id": key, "text": text}, modified_at=1, bucket=bucket) for key, text in texts.items()
    ]
    return store.write_records(ACCOUNT, writes).head_revision


def delete_notes(store: Store, *keys: str) -> None:
    """Delete these notes."""
    store.write_records(ACCOUNT, [delete_write("note", key, modified_at=2) for key in keys])


def number_notes(count: int) -> dict[str, str]:
    """Notes with numbers as ids."""
    return {f"{number:05}": f"text {number}" for number in range(count)}


@dataclass
class ServedStore:
    """A running server and its store."""

    running: RunningApp
    loop: asyncio.AbstractEventLoop

    @property
    def store(self) -> Store:
        return self.running.store

    @property
    def address(self) -> str:
        return self.running.address

    def write(self, texts: dict[str, str], *, bucket: str | None = None) -> int:
        """Write notes and wake live streams."""
        head = write_notes(self.store, texts, bucket=bucket)
        self.loop.call_soon_threadsafe(self.running.wake)
        return head

    def grant(self, device: UUID, *buckets: str) -> None:
        self.store.register_device(ACCOUNT, device, now=1)
        self.store.grant_buckets(ACCOUNT, device, buckets)


@contextmanager
def served_store(account: str = ACCOUNT, **settings: object) -> Iterator[ServedStore]:
    """Serve a new store in memory that knows notes; fields of `Settings` as keywords."""
    store = open_store("memory:")
    store.create_account(account)
    store.write_schema(account, Schema(object_types=(NOTE,)), expected_version=0)
    started = Event()
    served: list[ServedStore] = []
    ended: list[asyncio.Event] = []

    async def serve() -> None:
        ended.append(asyncio.Event())
        async with running_app(store, account=account, **settings) as running:
            served.append(ServedStore(running, asyncio.get_running_loop()))
            started.set()
            await ended[0].wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            started.set()

    thread = Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield served[0]
    finally:
        if served:
            served[0].loop.call_soon_threadsafe(ended[0].set)
        thread.join()
        store.close()
