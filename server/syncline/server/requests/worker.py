"""The worker: claims sync requests that are due, runs some at a time, and gives them back when it stops.

Any number of workers serve one store. The store says who runs what; a wake-up only saves the wait for the next look.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import suppress
from typing import Final

import structlog

from syncline.server.config import Settings
from syncline.server.environment import now_us
from syncline.server.requests.holding import HeldRequest, Hints
from syncline.server.requests.runner import Runner
from syncline.server.requests.scheduling import run_due_schedules
from syncline.server.store_threads import StoreThreads
from syncline.storage import Store
from syncline.storage.errors import StoreError
from syncline.storage.request_models import ClaimLimits, Lease

_log = structlog.get_logger(__name__)

_STORE_THREADS: Final = 1
"""For claiming. Each run has a thread of its own, as its connector may block for as long as it likes."""


class Worker:
    """Runs sync requests. Make and use it inside a running event loop. The store stays the caller's."""

    def __init__(self, settings: Settings, store: Store, runner: Runner, hints: Hints) -> None:
        """Prepare; nothing runs before `run`.

        Args:
            settings: `worker_slots`, `lease_seconds`, `requests_per_account`, `request_failures_max`, `poll_seconds`,
                `drain_grace_seconds`.
            store: whose requests are run, of all accounts.
            runner: runs them.
            hints: told of what the runs change.
        """
        self._settings = settings
        self._store = store
        self._runner = runner
        self._hints = hints
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._threads = StoreThreads(_STORE_THREADS)
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._stopping = False
        self._running: set[HeldRequest] = set()

    def wake(self) -> None:
        """There may be something to do. From the event loop only."""
        self._news.set()

    def stop(self) -> None:
        """Claim nothing more; `run` ends once what runs was ended or given back. From the event loop only."""
        self._stopping = True
        for held in self._running:
            held.drain()
        self.wake()

    async def run(self) -> None:
        """Work until `stop`. A store that fails is tried again."""
        try:
            while not self._stopping:
                self._news.clear()
                try:
                    await self._claim()
                except StoreError as error:
                    _log.warning("no sync request could be claimed", error=str(error))
                await self._wait(self._settings.poll_seconds)
            await self._drain()
        finally:
            self._threads.close()

    async def _claim(self) -> None:
        """Make what schedules say, promote what is due, and claim as much as there are free slots."""
        settings = self._settings
        await self._threads.run(run_due_schedules, self._store, self._hints, now_us())
        due_at = await self._threads.run(self._store.next_due)
        if due_at is not None and due_at <= now_us():
            await self._threads.run(
                self._store.promote_requests, now=now_us(), failures_max=settings.request_failures_max
            )
        while not self._stopping and len(self._running) < settings.worker_slots:
            lease = await self._threads.run(
                self._store.claim_request,
                worker=self._name,
                limits=ClaimLimits(per_account=settings.requests_per_account),
                lease_us=self._lease_us,
                now=now_us(),
            )
            if lease is None:
                return
            self._start(lease)

    @property
    def _lease_us(self) -> int:
        return int(self._settings.lease_seconds * 1_000_000)

    def _start(self, lease: Lease) -> None:
        held = HeldRequest(
            self._store,
            lease,
            lease_us=self._lease_us,
            failures_max=self._settings.request_failures_max,
            hints=self._hints,
        )
        self._running.add(held)
        if self._stopping:
            held.drain()  # it was claimed while `stop` was called
        # A connector that never returns must not keep the process from ending.
        threading.Thread(target=self._run_one, args=(held,), name="sync request", daemon=True).start()

    def _run_one(self, held: HeldRequest) -> None:
        try:
            self._runner.run(held)
        finally:
            with suppress(RuntimeError):  # the loop has ended: this run was given back long ago
                self._loop.call_soon_threadsafe(self._finished, held)

    def _finished(self, held: HeldRequest) -> None:
        self._running.discard(held)
        self.wake()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    async def _drain(self) -> None:
        """Wait for the runs; those that do not end within the grace are given back without their connector's help."""
        deadline = self._loop.time() + self._settings.drain_grace_seconds
        while self._running and (left := deadline - self._loop.time()) > 0:
            self._news.clear()
            await self._wait(left)
        for held in tuple(self._running):
            _log.warning("a connector does not end", sync_request=held.lease.request_id)
            with suppress(StoreError):
                await self._threads.run(held.end_stopped)
