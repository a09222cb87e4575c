"""Finds and ends the processes of a cluster, also if its supervisor has died: by what they carry, not by old numbers.

A number in a file may be another program's by now. What every process of a cluster carries is a variable in its
environment. Children of Postgres overwrite theirs; they are known by the folder that they work in. Needs Linux's /proc.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy.cluster.errors import ClusterError
from deploy.cluster.folder import Folder

MARK: Final = "CLUSTER_FOLDER"
"""The variable that says which cluster a process belongs to."""

_END_S_MAX: Final = 20
_KILL_S_MAX: Final = 10


def find_processes(folder: Folder) -> list[int]:
    """The cluster's processes, zombies left out."""
    mark = f"{MARK}={folder.path}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is another user's
            if process.name != str(os.getpid()) and (
                mark in (process / "environ").read_bytes().split(b"\0") or _is_postgres_of(folder, process)
            ):
                found.append(int(process.name))
    return found


def end_processes(folder: Folder) -> None:
    """End all of the cluster's processes, the hard way if they do not follow.

    Raises:
        ClusterError: one cannot be ended.
    """
    # SIGINT, because Postgres takes SIGTERM for a wish to wait until nobody is connected.
    for number, patience_s in ((signal.SIGINT, _END_S_MAX), (signal.SIGKILL, _KILL_S_MAX)):
        until = time.monotonic() + patience_s
        for process in find_processes(folder):
            with suppress(ProcessLookupError):
                os.kill(process, number)
        while left := find_processes(folder):
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        else:
            return
    raise ClusterError(f"processes {left} of the cluster in {folder.path} do not end")


def _is_postgres_of(folder: Folder, process: Path) -> bool:
    return (process / "cwd").readlink() == folder.postgres / "data" and (process / "exe").readlink().name == "postgres"
