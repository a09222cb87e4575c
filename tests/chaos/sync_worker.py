"""A worker process that knows the scripted connector: `python -m tests.chaos.sync_worker URL`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

from syncline.server.commands.worker import work
from syncline.server.config import load_settings
from syncline.server.requests.connectors.registry import Connectors
from syncline.storage import open_store
from tests.connectors.scripted import Scripted
from tests.connectors.working import BOX

LEASE_SECONDS = 0.9


class SyncWorker:
    """A worker process, as its owner sees it."""

    def __init__(self, url: str) -> None:
        """Start it. What it logs is the test's, in which secrets are looked for."""
        self._process = subprocess.Popen([sys.executable, "-m", "tests.chaos.sync_worker", url])

    def freeze(self) -> None:
        """Let it stand still, as a machine does that is out of memory."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had happened."""
        os.kill(self._process.pid, signal.SIGCONT)

    def terminate(self) -> int:
        """SIGTERM it, and wait for its end; its exit status."""
        self._process.terminate()
        return self._process.wait()

    def kill(self) -> None:
        """SIGKILL it, and wait for its end."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Run as a process of its own."""
    settings = load_settings(
        database_url=sys.argv[1],
        poll_seconds=0.02,
        lease_seconds=LEASE_SECONDS,
        request_failures_max=1_000,
        worker_slots=1,
    )
    store = open_store(settings.database_url)
    try:
        asyncio.run(work(settings, store, Connectors({"scripted": Scripted()}), BOX))
    finally:
        store.close()


if __name__ == "__main__":
    main()
