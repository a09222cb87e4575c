"""The bytes that a new device gets, so that a bare server can send the same."""

from __future__ import annotations

from uuid import uuid4

from syncline.client import SyncClient


def read_first_page(address: str) -> bytes:
    """The first page of the queue of a device that is new to the server."""
    with SyncClient(address, uuid4()) as client:
        session = client.start_session(full_resync=True).session
        with client.read_queue(session.id) as pages:
            return next(pages).message.SerializeToString()
