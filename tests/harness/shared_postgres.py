"""One Postgres server for all the processes of a test run: the first that needs it starts it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tests.harness.postgres import Cluster, PostgresServer


def shared_postgres(folder: Path, settings: Mapping[str, str]) -> PostgresServer:
    """The server of this folder, started unless another process did so before. `stop_shared_postgres` stops it."""
    known = folder / "postgres.json"
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if known.exists():
            return PostgresServer(**json.loads(known.read_text()))
        cluster = Cluster(folder / "postgres")
        cluster.make()
        server = cluster.start(settings)
        try:
            server.create_template()
        except BaseException:
            cluster.stop()
            raise
        known.write_text(json.dumps(asdict(server)))
        return server


def stop_shared_postgres(folder: Path) -> None:
    """Stop the folder's server if there is one."""
    if (folder / "postgres.json").exists():
        Cluster(folder / "postgres").stop()
