"""Which program listens where: ports of 127.0.0.1 that are free when the cluster starts."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploy.cluster.errors import ClusterError

SYNC: Final = ("sync-1", "sync-2")
REQUESTS: Final = ("requests-1", "requests-2")
WORKERS: Final = ("worker-1", "worker-2")
SYNC_PROXY: Final = "sync-proxy"
REQUESTS_PROXY: Final = "requests-proxy"
METRICS: Final = {program: f"{program}-metrics" for program in (*SYNC, *REQUESTS, *WORKERS)}
"""Where each of our programs shows its metrics, besides what it listens on."""
_NAMES: Final = ("postgres", *SYNC, *REQUESTS, SYNC_PROXY, REQUESTS_PROXY, *METRICS.values())

Ports = dict[str, int]
"""A port for each name."""


def choose_ports(file: Path, base: int | None) -> Ports:
    """The ports from `base` on; else those of the last time, if they still are free; else any.

    Raises:
        ClusterError: a port that was asked for is taken.
    """
    if base is not None:
        ports = {name: base + number for number, name in enumerate(_NAMES)}
        taken = [f"{port} ({name})" for name, port in ports.items() if not _is_free(port)]
        if taken:
            raise ClusterError(
                f"another program, or another cluster, listens on {', '.join(taken)}; "
                "choose another --base-port, or none to take free ones"
            )
    else:
        ports = json.loads(file.read_text()) if file.exists() else {}
        if set(ports) != set(_NAMES) or not all(map(_is_free, ports.values())):
            ports = _free_ports()
    file.write_text(json.dumps(ports, indent=1) + "\n")
    return ports


def read_ports(file: Path) -> Ports:
    """The ports of a cluster that was started.

    Raises:
        ClusterError: none ever was, or by a program that knows other ports.
    """
    try:
        ports: Ports = json.loads(file.read_text())
    except FileNotFoundError:
        raise ClusterError(f"there is no cluster in {file.parent}: `make cluster` starts one") from None
    if set(ports) != set(_NAMES):
        raise ClusterError(
            f"the cluster in {file.parent} was started by another version of this program: "
            "`make cluster-down`, then `make cluster`"
        )
    return ports


def address(ports: Ports, name: str) -> str:
    """Where one program listens."""
    return f"127.0.0.1:{ports[name]}"


def target(ports: Ports, names: tuple[str, ...]) -> str:
    """Several programs as one target: clients spread their calls over those that are healthy."""
    return "ipv4:" + ",".join(address(ports, name) for name in names)


def database_url(ports: Ports, database: str = "syncline") -> str:
    """One of the databases."""
    return f"postgresql://syncline@{address(ports, 'postgres')}/{database}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what a connection left behind does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def _free_ports() -> Ports:
    with ExitStack() as probes:
        ports = {}
        for name in _NAMES:
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports[name] = int(probe.getsockname()[1])
        return ports
