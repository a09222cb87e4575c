"""The state folder: where everything of one cluster is. Clusters in different folders know nothing of each other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.cluster.errors import ClusterError

_SOCKET_PATH_BYTES_MAX: Final = 90
"""The operating system takes some 107, and supervisord makes the socket under a longer name first."""


class Folder:
    """One cluster's folder. It is made if it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        if len(bytes(self.socket)) > _SOCKET_PATH_BYTES_MAX:
            raise ClusterError(f"{self.path} is too long a path for a socket; choose another with --folder")
        self.logs.mkdir(parents=True, exist_ok=True)

    @property
    def logs(self) -> Path:
        """A log for each program."""
        return self.path / "logs"

    @property
    def ports(self) -> Path:
        """Which program listens where."""
        return self.path / "ports.json"

    @property
    def environment(self) -> Path:
        """Shell variables for whoever uses the cluster."""
        return self.path / "environment"

    @property
    def postgres(self) -> Path:
        """The database server's data."""
        return self.path / "postgres"

    @property
    def traces(self) -> Path:
        """The spans of all programs."""
        return self.path / "traces.jsonl"

    @property
    def prometheus(self) -> Path:
        """What Prometheus needs to know to collect the metrics of all programs."""
        return self.path / "prometheus.yml"

    @property
    def secret_key(self) -> Path:
        """Encrypts the secrets of app enrollments."""
        return self.path / "secret_key"

    @property
    def socket(self) -> Path:
        """Where supervisord listens."""
        return self.path / "supervisor.sock"

    def log_end(self, program: str) -> str:
        """The last lines that a program logged."""
        log = self.logs / f"{program}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(["", f"the end of {log}:", *(f"  {line}" for line in lines[-12:])])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else start or stop the cluster meanwhile."""
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClusterError(f"somebody else is starting or stopping the cluster in {self.path}") from None
            yield
