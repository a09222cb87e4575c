"""Waking a worker as soon as a sync request is made."""

from __future__ import annotations

from syncline.server.notify import Notifier
from syncline.server.requests.worker import Worker

_LISTEN_SECONDS = 3_600
"""The worker polls by itself; a wait without hints needs no end of its own."""


async def wake_worker(worker: Worker, notifier: Notifier) -> None:
    """Wake the worker at each hint of a new request, until this is cancelled."""
    with notifier.listen_requests(None) as listener:
        while True:
            await listener.wait(_LISTEN_SECONDS)
            worker.wake()
