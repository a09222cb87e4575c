"""Servers for tests: a real process, or one inside the test's event loop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.address import Address
from syncline.server.app import App
from syncline.server.config import Settings, load_settings
from syncline.server.environment import Environment
from syncline.server.identity.authenticator import Authenticator
from syncline.storage import Store, open_store
from tests.harness.secrets import check_untold

_START_SECONDS_MAX = 60


@dataclass
class ServerProcess:
    """A `syncline-server serve` of its own, on a loopback port that it keeps over restarts."""

    database_url: str
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has logged so far, over all of its runs."""
        return (self.folder / "server.log").read_text()

    def start(self) -> None:
        """Start it, on the same port as before if there was one; return when it serves."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "syncline.server", "serve", "--database", self.database_url]
        command += ["--listen", self.address, "--port-file", str(port_file)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env}
            )
        deadline = time.monotonic() + _START_SECONDS_MAX
        while not port_file.exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with status {self.process.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the server does not serve after {_START_SECONDS_MAX} s:\n{self.log}")
            time.sleep(0.01)
        self.port = int(port_file.read_text())

    def kill(self) -> None:
        """SIGKILL it and wait for its end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def send_terminate(self) -> None:
        """SIGTERM it; it drains."""
        assert self.process is not None
        self.process.terminate()

    def terminate(self) -> int:
        """SIGTERM it and wait for its end; its exit status."""
        self.send_terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; its exit status."""
        assert self.process is not None
        return self.process.wait(timeout=60)

    def restart(self) -> None:
        """Kill it and start it on the same port."""
        self.kill()
        self.start()


@contextmanager
def start_server(database_url: str, **settings: object) -> Iterator[ServerProcess]:
    """Run a server process over the database (a new SQLite file is created); kill it in the end.

    Args:
        database_url: the store; not in memory, since nobody else could write to it.
        settings: fields of `syncline.server.config.Settings`.
    """
    env = {f"SYNCLINE_{name.upper()}": str(value) for name, value in settings.items()}
    with TemporaryDirectory(prefix="syncline-server-") as folder:
        server = ServerProcess(database_url, Path(folder), env)
        try:
            server.start()
            yield server
        finally:
            server.kill()
        check_untold(server.log, "the log of a server")


@dataclass(frozen=True)
class RunningApp:
    """A server inside the test's event loop."""

    app: App
    address: str
    store: Store

    @property
    def environment(self) -> Environment:
        """Its parts."""
        return self.app.environment

    @property
    def account_id(self) -> str:
        """Its one account."""
        return self.environment.settings.account

    def wake(self) -> None:
        """Tell live streams that the store was written to."""
        head = self.store.get_head(self.account_id)
        self.environment.notifier.head_moved(self.account_id, head.revision)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the event loop run until something holds; pytest's timeout ends a wait for ever."""
        while not holds():  # noqa: ASYNC110  not everything has an event
            await asyncio.sleep(0)


@asynccontextmanager
async def running_app(
    store: Store, authenticator: Authenticator | None = None, /, **settings: object
) -> AsyncIterator[RunningApp]:
    """Serve the store on a free loopback port; fields of `Settings` as keywords. The store is not closed."""
    options: dict[str, object] = {"drain_linger_seconds": 0, "drain_grace_seconds": 0}
    loaded: Settings = load_settings(**(options | settings))
    store.create_account(loaded.account)
    async with App(loaded, store, authenticator) as app:
        address = await app.start(Address("127.0.0.1", 0))
        yield RunningApp(app, str(address), store)


NOTES = ObjectType(
    name="note",
    scope="main",
    fields=(Field("id", FieldType.STRING, required=True), Field("text", FieldType.STRING)),
    primary_key=("id",),
)


def declare_notes(store: Store, account_id: str = "dev") -> None:
    """Create the account with one object type, `note`, in the scope `main`."""
    store.create_account(account_id)
    store.write_schema(account_id, Schema(object_types=(NOTES,)), expected_version=0)


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server process over a new SQLite file."""
    with start_server(f"sqlite:///{tmp_path / 'server.db'}") as server:
        yield server


@pytest.fixture
async def in_process_server() -> AsyncIterator[RunningApp]:
    """A server in process over a store in memory with the object type `note`."""
    store = open_store("memory:")
    declare_notes(store)
    async with running_app(store) as app:
        yield app
