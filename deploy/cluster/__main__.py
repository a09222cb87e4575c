"""`python -m deploy.cluster`: up, status, check, down. `make cluster` and its kin call it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.cluster.check import check_cluster
from deploy.cluster.errors import ClusterError
from deploy.cluster.folder import Folder
from deploy.cluster.ports import REQUESTS, SYNC, target
from deploy.cluster.starting import bring_up
from deploy.cluster.status import show_status
from deploy.cluster.stopping import take_down

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A whole Syncline on this machine.")
console = Console(soft_wrap=True)

FolderOption = Annotated[
    Path, typer.Option("--folder", metavar="PATH", help="Where everything of the cluster is kept.", envvar="CLUSTER")
]
_FOLDER = Path("build/cluster")


@app.command()
def up(
    folder: FolderOption = _FOLDER,
    base_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=1024, max=65_000, help="The first of the ports to take. Default: free ones."),
    ] = None,
    haproxy: Annotated[
        bool, typer.Option("--haproxy", help="Put haproxy before the servers, besides their own addresses.")
    ] = False,
) -> None:
    """Start the cluster, or what of it is not running, and wait until it is ready."""
    state = Folder(folder)
    ports = bring_up(state, base_port=base_port, proxy=haproxy, tell=console.print)
    show_status(state, console)
    console.print(f"for devices: {target(ports, SYNC)}\nfor sync requests: {target(ports, REQUESTS)}")


@app.command()
def status(folder: FolderOption = _FOLDER) -> None:
    """Show how the programs do; exit code 1 if one does not run or is not ready."""
    if not show_status(Folder(folder), console):
        raise typer.Exit(1)


@app.command()
def check(
    folder: FolderOption = _FOLDER,
    rows: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rows of each table to load. Default: all of them.")
    ] = None,
    updates: Annotated[int, typer.Option(metavar="N", min=1, help="Live updates to send each way.")] = 50,
    haproxy: Annotated[bool, typer.Option("--haproxy", help="Go through haproxy.")] = False,
) -> None:
    """Load real data by a sync request, sync five devices, follow live updates, and compare everything."""
    check_cluster(Folder(folder), rows=rows, updates=updates, proxy=haproxy, console=console)


@app.command()
def down(folder: FolderOption = _FOLDER) -> None:
    """Stop the cluster. Its data and logs stay."""
    console.print(f"{take_down(Folder(folder))} processes are stopped; data and logs stay in {folder}")


def main() -> None:
    """Run the command; what goes wrong is one message."""
    try:
        app()
    except ClusterError as error:
        sys.exit(f"cluster: {error}")


if __name__ == "__main__":
    main()
