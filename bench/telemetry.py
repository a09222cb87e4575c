"""What telemetry costs: a download and an upload with it on, as parts of the rate without it.

Each setting has a server process and a process of devices, both with this telemetry, and a database with the same
records. In each round all settings take their turn in an order of chance, and each is held against `off` of the same
round. `off_again` is a second one without telemetry: how far its parts spread is what this run cannot tell apart.

A figure is the median of the parts of all rounds. Of one trace in a hundred the limit is a bound that was set; of the
others it is `off` itself, so 1. With metrics the server counts, and nobody reads its page. Details tell the quartiles
of the parts, the same parts of CPU time, which other work on the machine disturbs less, and what was exported.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console

from bench.figure import DetailValue, Figure, details_of, table_of
from bench.records import ITEMS, item_writes
from bench.telemetry_collector import start_collector
from bench.telemetry_device import WORKS, Cost, Work, WorkingDevices, start_working_devices
from bench.workplace import STORES, StoreName, Workplace
from tests.harness.server import start_server

RECORDS: Mapping[Work, int] = {"download": 30_000, "upload": 10_000}
"""That one device downloads or uploads: about half a second's work."""
ROUNDS = 15

OFF = "off"


@dataclass(frozen=True, slots=True)
class _Setting:
    """One way to set telemetry up."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the environment of the server and of its devices."""
    collected: bool = False
    """Are spans exported to a collector, over OTLP?"""
    filed: bool = False
    """Are spans appended to a file?"""
    limit: float = 1.0


def _sampled(part: str) -> dict[str, str]:
    return {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": part}


_SETTINGS = (
    _Setting(OFF),
    _Setting("off_again"),
    _Setting("traces_1_percent", _sampled("0.01"), collected=True, limit=0.93),
    _Setting("traces_all", _sampled("1"), collected=True),
    _Setting("trace_file_all", _sampled("1"), filed=True),
    _Setting("metrics", {"SYNCLINE_METRICS_LISTEN": "127.0.0.1:0"}),
)

_NEVER_MINUTES = 600
"""Servers have nothing to do while it is not their turn."""


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure with the servers on each store."""
    for store in STORES:
        yield from measure(workplace, store, rounds=ROUNDS)


def measure(
    workplace: Workplace, store: StoreName, *, rounds: int, records: Mapping[Work, int] = RECORDS
) -> Iterator[Figure]:
    """Measure both works with the servers on this store; a figure for each work and setting but `off`."""
    for work in WORKS:
        yield from _measure(workplace, store, work, records[work], rounds)


@dataclass(frozen=True, slots=True)
class _Side:
    """A server and its devices, with one setting."""

    devices: WorkingDevices
    exported_bytes: Callable[[], int]
    """Of spans, so far."""


def _measure(workplace: Workplace, store: StoreName, work: Work, records: int, rounds: int) -> Iterator[Figure]:
    costs: dict[str, list[Cost]] = {setting.name: [] for setting in _SETTINGS}
    with ExitStack() as stack:
        sides = {
            setting.name: stack.enter_context(_start(workplace, store, work, records, setting)) for setting in _SETTINGS
        }
        for number in range(rounds + 1):
            with workplace.step(f"{work} with telemetry on {store}, round {number} of {rounds}"):
                for name in random.sample(list(sides), len(sides)):
                    cost = sides[name].devices.work(records, seed=number)
                    if number:  # the first round warms up
                        costs[name].append(cost)
        exported = {name: side.exported_bytes() for name, side in sides.items()}
    for setting in _SETTINGS:
        if setting.variables == _sampled("1") and not exported[setting.name]:
            raise RuntimeError(f"{setting.name}: no spans were exported")
    off = costs[OFF]
    for setting in _SETTINGS:
        if setting.name == OFF:
            continue
        parts = [base.seconds / cost.seconds for base, cost in zip(off, costs[setting.name], strict=True)]
        cpu_parts = [cost.cpu_seconds / base.cpu_seconds for base, cost in zip(off, costs[setting.name], strict=True)]
        detail: dict[str, DetailValue] = {
            "quartiles": _quartiles(parts),
            "CPU time by that of off": median(cpu_parts),
            "its quartiles": _quartiles(cpu_parts),
            "records/s with off": records / median(cost.seconds for cost in off),
            "exported KiB in all": exported[setting.name] / 1024,
        }
        yield Figure(f"{work}_{setting.name}", store, median(parts), "of off", setting.limit, detail)


@contextmanager
def _start(workplace: Workplace, store: StoreName, work: Work, records: int, setting: _Setting) -> Iterator[_Side]:
    """A server over a new database and its devices; the database has what they download."""
    url = workplace.new_database(store)
    workplace.fill(url, ITEMS, item_writes(records) if work == "download" else ())
    folder = workplace.new_folder()
    variables = dict(setting.variables)
    with ExitStack() as stack:
        exported_bytes: Callable[[], int] = int
        if setting.collected:
            collector = stack.enter_context(start_collector())
            exported_bytes = collector.bytes_received
            variables |= {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            }
        if setting.filed:
            path = folder / "spans.jsonl"
            exported_bytes = partial(_size, path)
            variables["SYNCLINE_TRACE_FILE"] = str(path)
        with _environment(variables):
            server = stack.enter_context(start_server(url, services="sync", sweep_minutes=_NEVER_MINUTES))
            assert server.process is not None
            devices = stack.enter_context(start_working_devices(work, server.address, server.process.pid, folder))
        yield _Side(devices, exported_bytes)


def _size(path: Path) -> int:
    return path.stat().st_size


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Processes that are started in the block have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _quartiles(values: Sequence[float]) -> list[float]:
    lower, _, upper = quantiles(values, n=4, method="inclusive")
    return [lower, upper]


def main() -> None:
    """Try it, with fewer rounds or on one store. The results of benchmarks stay as they are."""
    parser = argparse.ArgumentParser(prog="python -m bench.telemetry", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at least 2; {ROUNDS} if left out")
    parser.add_argument("--store", choices=STORES, action="append", help="may be repeated; all if left out")
    options = parser.parse_args()
    # An exit, so that servers are stopped and folders go.
    signal.signal(signal.SIGTERM, lambda received, _: sys.exit(128 + received))
    console = Console()
    with Workplace(console) as workplace:
        for store in options.store or STORES:
            found = list(measure(workplace, store, rounds=options.rounds))
            console.print(table_of(f"telemetry on {store}", found))
            console.print(details_of(found), style="dim", highlight=False)


if __name__ == "__main__":
    main()
