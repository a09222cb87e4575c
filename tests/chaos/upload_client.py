"""A device that writes and synchronises without end: `python -m tests.chaos.upload_client FILE SERVER NAME`.

It counts. Each number is one transaction: the device's counter goes up and keeps a trail of the last numbers, the
record of the number is created, and that of an older one deleted. By itself goes an edit of a record that all devices
share, each a field of its own. Whatever is done twice, lost or torn apart breaks the sequence.

A line of its output is a number: everything up to it was settled when the line was written.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from threading import Thread

from syncline.client import SyncError
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.replica import Replica
from syncline.server.records import record_write
from syncline.storage import Store

ACCOUNT = "dev"
NAMES = ("left", "right")
"""The devices."""
KEPT = 3
"""How many numbers have their record at a time."""
TRAIL = 10
BOARD = "board"

COUNTER = ObjectType(
    "counter",
    "main",
    (Field("id", FieldType.STRING, required=True), Field("n", FieldType.INTEGER), Field("trail", FieldType.STRING)),
    ("id",),
)
NUMBER = ObjectType("number", "main", (Field("id", FieldType.STRING, required=True),), ("id",))
SHARED = ObjectType(
    "shared",
    "main",
    (Field("id", FieldType.STRING, required=True), *(Field(name, FieldType.INTEGER) for name in NAMES)),
    ("id",),
)


def declare(store: Store) -> None:
    """Make the account with its object types, and the records that devices edit."""
    store.create_account(ACCOUNT)
    store.write_schema(ACCOUNT, Schema(object_types=(COUNTER, NUMBER, SHARED)), expected_version=0)
    counters = [record_write(COUNTER, {"id": name, "n": 0, "trail": ""}, modified_at=1) for name in NAMES]
    store.write_records(ACCOUNT, [*counters, record_write(SHARED, {"id": BOARD}, modified_at=1)])


def trail(last: int) -> str:
    """The numbers up to this one."""
    return ",".join(str(number) for number in range(max(1, last - TRAIL + 1), last + 1))


def number_key(name: str, number: int) -> str:
    """The key of a number's record."""
    return f"{name}-{number}"


def last_number(replica: Replica, name: str) -> int:
    """How far the device has counted."""
    return int(replica.query("SELECT n FROM counter WHERE _key = ?", (name,))[0]["n"])


def count_on(replica: Replica, name: str) -> None:
    """Count one further."""
    number = last_number(replica, name) + 1
    with replica.transaction():
        replica.objects(COUNTER.name).update_by_pk(name, {"n": number, "trail": trail(number)})
        replica.objects(NUMBER.name).create({"id": number_key(name, number)})
        if number > KEPT:
            replica.objects(NUMBER.name).delete_by_pk(number_key(name, number - KEPT))
    replica.objects(SHARED.name).update_by_pk(BOARD, {name: number})


def main() -> None:
    """Run as a process of its own."""
    path, address, name = sys.argv[1:]
    with Replica.open(path, address, page_size=3, attempts_max=2) as replica:
        while True:
            try:
                replica.sync(upload_batch=random.choice((3, 4, 500)))
            except SyncError as error:
                if not error.transient:
                    raise
                continue
            print(last_number(replica, name), flush=True)
            for _ in range(random.randint(1, 5)):
                count_on(replica, name)


class UploadClient:
    """A device's process, as its owner sees it."""

    def __init__(self, path: Path, address: str, name: str) -> None:
        self.path = path
        self.name = name
        self.settled = 0
        """The last number that it said was settled."""
        self._command = [sys.executable, "-m", "tests.chaos.upload_client", str(path), address, name]
        self.start()

    def start(self) -> None:
        """Start it, once more after `kill`."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reading = Thread(target=self._read)
        self._reading.start()

    @property
    def ended(self) -> bool:
        """It ended by itself, which it never should."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.wait()
        self._reading.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                if line.endswith("\n"):
                    self.settled = int(line)


if __name__ == "__main__":
    main()
