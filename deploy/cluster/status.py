"""How the programs of a cluster do."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from deploy.cluster.errors import ClusterError
from deploy.cluster.folder import Folder
from deploy.cluster.health import health
from deploy.cluster.ports import METRICS, REQUESTS, REQUESTS_PROXY, SYNC, SYNC_PROXY, address, read_ports
from deploy.cluster.strays import find_processes
from deploy.cluster.supervisor import Supervisor


def show_status(folder: Folder, console: Console) -> bool:
    """Print a table; True if everything that should run does, and every server is ready.

    Raises:
        ClusterError: the cluster is not running.
    """
    ports = read_ports(folder.ports)
    supervisor = Supervisor(folder)
    if not supervisor.answers():
        left = len(find_processes(folder))
        if left:
            raise ClusterError(
                f"the supervisor of {folder.path} has died and left {left} processes; "
                "`make cluster` starts anew, `make cluster-down` ends them"
            )
        raise ClusterError(f"the cluster in {folder.path} is down: `make cluster` starts it")
    well = True
    table = Table("program", "state", "pid", "up, s", "port", "metrics port", "health")
    for program in supervisor.programs():
        name = program.name
        if name == "haproxy" and program.state == "STOPPED":
            continue
        runs = program.state == "RUNNING"
        ready = health(name, address(ports, name)) if runs and name in (*SYNC, *REQUESTS) else ""
        well = well and runs and ready in ("", "SERVING")
        listens = [SYNC_PROXY, REQUESTS_PROXY] if name == "haproxy" else [name]
        listening = ", ".join(str(ports[each]) for each in listens if each in ports)
        metrics = str(ports[METRICS[name]]) if name in METRICS else ""
        pid, up_s = (str(program.pid), str(program.up_s)) if runs else ("", "")
        table.add_row(name, program.state, pid, up_s, listening, metrics, ready)
    console.print(table)
    console.print(f"logs in {folder.logs}, spans in {folder.traces}; for your shell: . {folder.environment}")
    return well
