"""Starts supervisord, and talks to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from deploy.cluster.errors import ClusterError
from deploy.cluster.folder import Folder

CONFIGURATION: Final = Path(__file__).parents[1] / "supervisord.conf"
_START_S_MAX: Final = 20
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """A program that supervisord runs."""

    name: str
    state: str
    """RUNNING, STARTING, BACKOFF, STOPPED, STOPPING, EXITED or FATAL."""
    pid: int
    """0 if it is not running."""
    up_s: int


class Supervisor:
    """The supervisor of one cluster."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def answers(self) -> bool:
        """Is it there? A socket that was left behind answers nothing."""
        try:
            with self._connected() as server:
                return bool(server.getIdentification() == "syncline-cluster")
        except (OSError, HTTPException):
            return False

    def start(self, environment: Mapping[str, str]) -> None:
        """Start supervisord, which starts Postgres.

        Raises:
            ClusterError: it does not come up.
        """
        output = self._folder.logs / "supervisord.out"
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(CONFIGURATION)]
        with output.open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + _START_S_MAX
        while not self.answers():
            if process.poll() is not None or time.monotonic() > until:
                raise ClusterError(f"supervisord does not start:\n{output.read_text()}")
            time.sleep(_POLL_S)
        process.returncode = 0  # it outlives this program: nobody waits for it

    def programs(self) -> list[Program]:
        """All programs and how they do."""
        with self._connected() as server:
            return [
                Program(found["name"], found["statename"], found["pid"], found["now"] - found["start"])
                for found in server.getAllProcessInfo()
            ]

    def start_program(self, name: str) -> None:
        """Start a program that is not running; its failure shows in `programs`."""
        try:
            with self._connected() as server:
                server.startProcess(name, False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise ClusterError(
                    f"{name} cannot be started: {fault.faultString}{self._folder.log_end(name)}"
                ) from fault

    def shut_down(self) -> None:
        """Ask it to stop all programs and to end."""
        try:
            with self._connected() as server:
                server.shutdown()
        except Fault as fault:  # it is at it
            if "SHUTDOWN_STATE" not in fault.faultString:
                raise

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A new connection each time: one that failed once is of no use any more."""
        transport = SupervisorTransport(None, None, f"unix://{self._folder.socket}")
        try:
            yield ServerProxy("http://127.0.0.1", transport=transport).supervisor
        finally:
            transport.close()
