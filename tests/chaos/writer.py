"""A process that writes at random and logs what it committed: `python -m tests.chaos.writer URL LOG`.

It takes orders from its standard input, a line each: `SEED ROUNDS PAUSE`, and answers each with a line once it is
done. Each line of the log is a JSON list: revision, key, bucket (null: deleted), value. The lines of all writers,
sorted by revision, are the history of the account: what a device must hold at a checkpoint can be told from them.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.records import delete_write, record_write
from syncline.storage import Store, open_store
from syncline.storage.models import RecordWrite, WriteOutcome

ACCOUNT = "dev"
ITEMS = ObjectType(
    name="items",
    scope="main",
    fields=(Field("id", FieldType.STRING, required=True), Field("value", FieldType.INTEGER)),
    primary_key=("id",),
)
BUCKETS = ("", "north", "south")
KEYS = 40


def declare(store: Store) -> None:
    """Make the account and its one object type."""
    store.create_account(ACCOUNT)
    store.write_schema(ACCOUNT, Schema(object_types=(ITEMS,)), expected_version=0)


def write(store: Store, seed: int, rounds: int, log: Path, *, pause: float) -> None:
    """Create, change, move and delete records at random, a few at a time."""
    rng = random.Random(seed)
    with log.open("a", encoding="utf-8") as lines:
        for number in range(rounds):
            keys = rng.sample(range(KEYS), rng.randint(1, 4))
            values = [(f"k{key}", rng.choice((None, *BUCKETS)), seed * 1_000_000 + number) for key in keys]
            result = store.write_records(ACCOUNT, [_write(*value) for value in values])
            for (key, bucket, value), outcome, revision in zip(values, result.outcomes, result.revisions, strict=True):
                if outcome is not WriteOutcome.UNCHANGED:
                    lines.write(json.dumps([revision, key, bucket, value]) + "\n")
            lines.flush()
            time.sleep(pause)


def model_at(history: list[tuple[int, str, str | None, int]], revision: int) -> dict[str, tuple[str, int]]:
    """The records as they stood at a revision: key to bucket and value."""
    state: dict[str, tuple[str, int]] = {}
    for changed_at, key, bucket, value in history:
        if changed_at > revision:
            break
        if bucket is None:
            state.pop(key, None)
        else:
            state[key] = (bucket, value)
    return state


def read_history(logs: list[Path]) -> list[tuple[int, str, str | None, int]]:
    """What all writers committed, in revision order."""
    text = "".join(log.read_text(encoding="utf-8") for log in logs)
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return sorted((revision, key, bucket, value) for revision, key, bucket, value in lines)


def _write(key: str, bucket: str | None, value: int) -> RecordWrite:
    now = time.time_ns() // 1000
    if bucket is None:
        return delete_write(ITEMS.name, key, modified_at=now)
    return record_write(ITEMS, {"id": key, "value": value}, modified_at=now, bucket=bucket)


class Writer:
    """A writer process, as its owner sees it."""

    def __init__(self, database_url: str, log: Path) -> None:
        """Start it."""
        self.log = log
        log.touch()
        command = [sys.executable, "-m", "tests.chaos.writer", database_url, str(log)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def order(self, seed: int, rounds: int, *, pause: float = 0.0) -> None:
        """Let it write; returns at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seed} {rounds} {pause}\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Wait until an order is done."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"

    def close(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def writers(count: int, database_url: str, folder: Path) -> Iterator[list[Writer]]:
    """That many writer processes."""
    started = [Writer(database_url, folder / f"writer-{number}.jsonl") for number in range(count)]
    try:
        yield started
    finally:
        for writer in started:
            writer.close()


def main() -> None:
    """Run as a process of its own."""
    url, log = sys.argv[1:]
    store = open_store(url)
    try:
        for line in sys.stdin:
            seed, rounds, pause = line.split()
            write(store, int(seed), int(rounds), Path(log), pause=float(pause))
            print("done", flush=True)
    finally:
        store.close()


if __name__ == "__main__":
    main()
