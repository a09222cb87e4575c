"""Bringing a cluster up, step by step, each waited for."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

from deploy.cluster.errors import ClusterError
from deploy.cluster.folder import Folder
from deploy.cluster.health import health
from deploy.cluster.ports import (
    METRICS,
    REQUESTS,
    REQUESTS_PROXY,
    SYNC,
    SYNC_PROXY,
    WORKERS,
    Ports,
    address,
    choose_ports,
    database_url,
    read_ports,
    target,
)
from deploy.cluster.scraping import write_prometheus_file
from deploy.cluster.strays import MARK, end_processes, find_processes
from deploy.cluster.supervisor import Supervisor
from deploy.embedded_postgres import EmbeddedPostgres
from syncline.storage.errors import StoreError
from syncline.storage.sql.migrating import migrate

_DEPLOY: Final = Path(__file__).parents[1]
_WAIT_S_MAX: Final = 120
_TELL_EVERY_S: Final = 5
_POLL_S: Final = 0.1

Tell = Callable[[str], None]


def bring_up(folder: Folder, *, base_port: int | None, proxy: bool, tell: Tell) -> Ports:
    """Start the cluster, or what of it is not running, and wait until everything is ready.

    Raises:
        ClusterError: it does not come up; what has started stays, to be looked at.
    """
    if proxy and shutil.which("haproxy") is None:
        raise ClusterError("haproxy is not installed; on Debian: sudo apt-get install haproxy")
    with folder.locked():
        supervisor = Supervisor(folder)
        if supervisor.answers():
            ports = read_ports(folder.ports)
            supervisor.start_program("postgres")
        else:
            _clear_remains(folder, tell)
            ports = choose_ports(folder.ports, base_port)
            tell("starting Postgres")
            supervisor.start(_environment(folder, ports, _make_postgres(folder)))
        if proxy:
            _check_proxy_file(ports)
        _wait_for_postgres(folder, supervisor, ports, tell)
        try:
            version = migrate(database_url(ports))
        except StoreError as error:
            raise ClusterError(f"the database of {folder.path} cannot be used: {error}") from error
        tell(f"the database is at version {version}")
        _write_environment(folder, ports)
        write_prometheus_file(folder.prometheus, ports)
        programs = (*SYNC, *REQUESTS, *WORKERS, *(("haproxy",) if proxy else ()))
        for program in programs:
            supervisor.start_program(program)
        _wait_for_programs(folder, supervisor, ports, programs, tell)
    return ports


def _clear_remains(folder: Folder, tell: Tell) -> None:
    """End what a supervisor that died has left running."""
    left = find_processes(folder)
    if left:
        tell(f"the supervisor has died or does not answer; the {len(left)} processes that are left are ended first")
        end_processes(folder)
    # Its number may be another program's by now, and Postgres would not start beside that.
    (folder.postgres / "data" / "postmaster.pid").unlink(missing_ok=True)


def _make_postgres(folder: Folder) -> EmbeddedPostgres:
    """The database server with its data folder, made if it is not there or was not finished."""
    made = folder.path / "postgres-is-made"
    try:
        postgres = EmbeddedPostgres(folder.postgres)
        if not made.exists():
            shutil.rmtree(postgres.data, ignore_errors=True)
            _require_passable(postgres, folder.path)
            postgres.make()
            made.touch()
    except RuntimeError as error:
        raise ClusterError(str(error)) from error
    return postgres


def _require_passable(postgres: EmbeddedPostgres, path: Path) -> None:
    """Postgres runs as another user if root starts it, who must get to its data."""
    closed = [folder for folder in path.parents if not folder.stat().st_mode & 0o001]
    if postgres.user is not None and closed:
        raise ClusterError(
            f"Postgres does not run as root, and {postgres.user.pw_name} cannot enter {closed[-1]}; "
            "choose a folder elsewhere with --folder, or start the cluster as another user"
        )


def _environment(folder: Folder, ports: Ports, postgres: EmbeddedPostgres) -> dict[str, str]:
    """What all programs are told by way of supervisord."""
    if not folder.secret_key.exists():
        folder.secret_key.touch(mode=0o600)
        folder.secret_key.write_bytes(base64.b64encode(os.urandom(32)))
    return {
        MARK: str(folder.path),
        "CLUSTER_DEPLOY": str(_DEPLOY),
        "CLUSTER_PYTHON": sys.executable,
        "CLUSTER_POSTGRES": str(postgres.binaries / "postgres"),
        "CLUSTER_POSTGRES_USER": str(os.geteuid() if postgres.user is None else postgres.user.pw_uid),
        "CLUSTER_SUPERVISOR_USER": str(os.geteuid()),
        **_port_variables(ports),
        "PYTHONUNBUFFERED": "1",
        "SYNCLINE_DATABASE_URL": database_url(ports),
        "SYNCLINE_SECRET_KEY_FILE": str(folder.secret_key),
        "SYNCLINE_CONNECTORS_DIR": str(folder.path / "connectors"),
        "SYNCLINE_TRACE_FILE": str(folder.traces),
    }


def _port_variables(ports: Ports) -> dict[str, str]:
    return {f"CLUSTER_PORT_{name.upper().replace('-', '_')}": str(port) for name, port in ports.items()}


def _check_proxy_file(ports: Ports) -> None:
    """Let haproxy itself look at its file first: what it says under supervisor stands in a log only."""
    command = ["haproxy", "-c", "-f", str(_DEPLOY / "haproxy.cfg")]
    checked = subprocess.run(
        command, env={**os.environ, **_port_variables(ports)}, capture_output=True, text=True, check=False
    )
    if checked.returncode:
        raise ClusterError(f"haproxy does not take its file:\n{checked.stdout}{checked.stderr}")


def _write_environment(folder: Folder, ports: Ports) -> None:
    variables = {
        "SYNC_SERVERS": target(ports, SYNC),
        "REQUEST_SERVERS": target(ports, REQUESTS),
        "SYNC_PROXY": address(ports, SYNC_PROXY),
        "REQUESTS_PROXY": address(ports, REQUESTS_PROXY),
        "SYNCLINE_DATABASE_URL": database_url(ports),
        "SYNCLINE_TRACE_FILE": str(folder.traces),
        "METRICS": " ".join(address(ports, name) for name in METRICS.values()),
    }
    folder.environment.write_text("".join(f"export {name}='{value}'\n" for name, value in variables.items()))


def _wait_for_postgres(folder: Folder, supervisor: Supervisor, ports: Ports, tell: Tell) -> None:
    problem = ""

    def is_ready() -> bool:
        nonlocal problem
        try:
            with psycopg.connect(database_url(ports, "postgres"), autocommit=True, connect_timeout=5) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'syncline'").fetchall():
                    connection.execute("CREATE DATABASE syncline")
        except psycopg.OperationalError as error:
            problem = str(error)
            return False
        return True

    if not _wait("Postgres", is_ready, lambda: _require_no_fatal(folder, supervisor, ("postgres",)), tell):
        raise ClusterError(f"Postgres does not answer: {problem}{folder.log_end('postgres')}")


def _wait_for_programs(
    folder: Folder, supervisor: Supervisor, ports: Ports, programs: tuple[str, ...], tell: Tell
) -> None:
    waiting: list[str] = []

    def is_ready() -> bool:
        states = {program.name: program.state for program in supervisor.programs()}
        waiting[:] = [name for name in programs if states[name] != "RUNNING"]
        if not waiting:
            waiting[:] = [name for name in (*SYNC, *REQUESTS) if health(name, address(ports, name)) != "SERVING"]
        return not waiting

    if not _wait("the servers", is_ready, lambda: _require_no_fatal(folder, supervisor, programs), tell):
        raise ClusterError(f"not ready after {_WAIT_S_MAX} s: {', '.join(waiting)}{folder.log_end(waiting[0])}")


def _wait(what: str, is_ready: Callable[[], bool], look: Callable[[], None], tell: Tell) -> bool:
    """Wait until it is ready, and say so now and then; False if that takes too long."""
    started = told = time.monotonic()
    while not is_ready():
        look()
        now = time.monotonic()
        if now - started > _WAIT_S_MAX:
            return False
        if now - told > _TELL_EVERY_S:
            told = now
            tell(f"waiting for {what}, {now - started:.0f} s")
        time.sleep(_POLL_S)
    return True


def _require_no_fatal(folder: Folder, supervisor: Supervisor, programs: tuple[str, ...]) -> None:
    for program in supervisor.programs():
        if program.name in programs and program.state == "FATAL":
            raise ClusterError(f"{program.name} does not start{folder.log_end(program.name)}")
