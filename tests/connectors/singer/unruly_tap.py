"""A Singer tap that does as its configuration says, good or bad. Needs the standard library only."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["null", "string"]},
        "price": {"type": ["null", "number"]},
        "day": {"type": ["null", "string"], "format": "date-time"},
        "at": {"type": ["null", "string"], "format": "date-time"},
    },
}
CATALOG = {
    "streams": [
        {
            "tap_stream_id": f"public-{name}",
            "stream": name,
            "schema": SCHEMA,
            "key_properties": ["id"],
            "metadata": [
                {"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}},
                {"breadcrumb": ["properties", "id"], "metadata": {"inclusion": "automatic"}},
            ],
        }
        for name in ("things", "others")
    ]
}


def say(**message: object) -> None:
    """Print one message."""
    print(json.dumps(message), flush=True)


def record(number: int, **more: object) -> None:
    """Print one row."""
    day = f"2013-01-{number % 28 + 1:02}"
    row = {"id": number, "name": f"thing {number}", "price": 0.1, "day": f"{day}T00:00:00", "at": f"{day} 05:00:00"}
    say(type="RECORD", stream="things", record={**row, **more})


def main() -> None:
    """Discover, or read."""
    options = argparse.ArgumentParser()
    options.add_argument("--config", required=True)
    options.add_argument("--discover", action="store_true")
    options.add_argument("--catalog")
    options.add_argument("--state")
    chosen = options.parse_args()
    config = json.loads(Path(chosen.config).read_text())
    if config.get("tell_arguments"):
        Path(config["tell_arguments"]).write_text(
            json.dumps({"arguments": sys.argv, "environment": dict(os.environ), "config": config})
        )
    if chosen.discover:
        print(json.dumps(CATALOG, indent=1))
        return
    catalog = json.loads(Path(chosen.catalog).read_text())
    assert [stream["stream"] for stream in catalog["streams"]] == ["things"], catalog
    state = json.loads(Path(chosen.state).read_text()) if chosen.state else {"last": 0}
    behave(config.get("behave", "well"), config.get("rows", 10), state["last"], config)


def behave(how: str, rows: int, last: int, config: dict[str, object]) -> None:
    """Read the rows after the last one."""
    if how != "no schema":
        say(type="SCHEMA", stream="things", schema=SCHEMA, key_properties=["id"])
    match how:
        case "no schema":
            record(1)
        case "garbage":
            record(1)
            print("Traceback? No: just what a library printed.", flush=True)
        case "hang" | "hang stubbornly":
            hang(Path(str(config["child"])) if "child" in config else None)
        case "flood":
            sys.stdout.write("x" * (20 << 20))
            sys.stdout.flush()
        case "flood stderr":
            print("warning " * 200_000, file=sys.stderr)
            read(1, rows)
        case "fail half way":
            read(last + 1, rows // 2)
            print("connecting again\nthe source went away", file=sys.stderr, flush=True)
            sys.exit(1)
        case "state goes back":
            read(1, rows)
            say(type="STATE", value={"last": 1})
        case "deletes":
            record(1, _sdc_deleted_at="2013-01-01T00:00:00Z")
            say(type="ACTIVATE_VERSION", stream="things", version=2)
        case _:
            read(last + 1, rows)


def hang(child_file: Path | None) -> None:
    """Say one row, and nothing more; with a file for its child's number, even when it is asked to end."""
    if child_file is not None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        child_file.write_text(str(child.pid))
    record(1)
    time.sleep(3600)


def read(first: int, last: int) -> None:
    """The rows of these numbers, with a state after every seven."""
    for number in range(first, last + 1):
        record(number)
        if number % 7 == 0:
            say(type="STATE", value={"last": number})
    say(type="STATE", value={"last": max(last, first - 1)})


if __name__ == "__main__":
    main()
