"""The worker that runs inside the server: woken by the requests that the server itself takes."""

from __future__ import annotations

import asyncio

import structlog

from syncline.server.environment import Environment
from syncline.server.requests.runner import Runner
from syncline.server.requests.waking import wake_worker
from syncline.server.requests.worker import Worker

_log = structlog.get_logger(__name__)


class EmbeddedWorker:
    """A worker over the server's own store. Make and use it inside a running event loop."""

    def __init__(self, env: Environment) -> None:
        self._notifier = env.notifier
        runner = Runner(env.store, env.connectors, env.secrets, env.stored_limits)
        self._worker = Worker(env.settings, env.store, runner, env.notifier)
        self._working: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to claim requests."""
        self._working = asyncio.create_task(self._work(), name="worker")
        self._listening = asyncio.create_task(wake_worker(self._worker, self._notifier), name="wake worker")

    def drain(self) -> None:
        """Claim nothing more, and let what runs end or go back."""
        self._worker.stop()

    async def stop(self) -> None:
        """Drain, and wait until nothing runs."""
        self.drain()
        if self._listening is not None:
            self._listening.cancel()
        tasks = [task for task in (self._listening, self._working) if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        try:
            await self._worker.run()
        except Exception:
            _log.exception("the worker has ended; sync requests are left to other processes")
            raise
