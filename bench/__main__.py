"""`python -m bench [NAME…]`: measure, print, and write bench/results.json."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from bench import (
    admission,
    authentication,
    idle_stream,
    import_zip,
    initial_sync,
    live_latency,
    local_writes,
    nothing_new,
    requests,
    scale,
    steady_writes,
    telemetry,
    upload,
    write_batch,
)
from bench.figure import Figure, details_of, table_of, write_results
from bench.workplace import Workplace
from syncline.server.config import LogFormat, LogLevel
from syncline.server.logs import set_up_logs

RESULTS = Path(__file__).with_name("results.json")

BENCHMARKS: dict[str, Callable[[Workplace], Iterator[Figure]]] = {
    "write_batch": write_batch.run,
    "initial_sync": initial_sync.run,
    "upload": upload.run,
    "local_writes": local_writes.run,
    "nothing_new": nothing_new.run,
    "live_latency": live_latency.run,
    "steady_writes": steady_writes.run,
    "idle_stream": idle_stream.run,
    "scale": scale.run,
    "import": import_zip.run,
    "requests": requests.run,
    "telemetry": telemetry.run,
    "admission": admission.run,
    "authentication": authentication.run,
}


def main() -> None:
    """Run the benchmarks that are named, or all. The results of this run replace those of the last."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the hot paths, each next to a limit that is measured in the same run.",
        epilog=f"The figures go to {RESULTS.parent.name}/{RESULTS.name} as well.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(BENCHMARKS)}; without: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; choose from {', '.join(BENCHMARKS)}")
    for number in (signal.SIGINT, signal.SIGTERM):
        # An exit, so that servers are stopped and folders go.
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    set_up_logs(LogLevel.WARNING, LogFormat.TEXT)
    console = Console()
    figures: list[Figure] = []
    with Workplace(console) as workplace:
        for name in names:
            found = list(BENCHMARKS[name](workplace))
            console.print(table_of(name, found))
            console.print(details_of(found), style="dim", highlight=False)
            # After each: a long run that is interrupted leaves what it has.
            figures += found
            write_results(figures, RESULTS)


if __name__ == "__main__":
    main()
