"""Malformed and mutated messages over all methods, and garbage on the socket: the server answers, and stays as it is.

`SYNCLINE_CHAOS_SEEDS=300` makes 200,000 calls. What came of them is printed: `pytest -s`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import grpc
import pytest

from syncline.server.records import record_write
from syncline.storage import Store, open_store
from tests.chaos.fuzz_accounts import everything_of, fill, records_of
from tests.chaos.fuzz_callers import ACCOUNTS, CALM, NOBODY, STILL, Desk
from tests.chaos.fuzz_calls import METHODS, Outcome, Target, fuzz
from tests.chaos.fuzz_garbage import GARBAGE, KEPT_BY_GRPC, Vandal
from tests.chaos.fuzz_server import Device, check_server, live_streams, taken_at_rest, taken_by
from tests.harness.certificates import make_certificates, server_settings
from tests.harness.server import ServerProcess, declare_notes, start_server
from tests.replica.serving import NOTE, number_notes
from tests.service.uploading import SCHEMA

SEEDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "3"))
CALLS = 667 * SEEDS // 3
"""Of each of three servers."""
GARBAGES = 30 * SEEDS
GARBAGES_KEPT = min(3 * SEEDS, 60)
"""Of what gRPC keeps: some 5 MB each."""

CONNECTIONS = 6

GROWTH_BYTES_MAX = 96 * 1024 * 1024
"""Of the server's memory, after a first fifth of the calls: caches fill, and allocators keep what was used."""
FILES_MORE_MAX, THREADS_MORE_MAX = 24, 8
"""Than after that fifth: of connections to the database, which come with the need, and as gRPC likes."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 10 * SEEDS)]

NOTES = number_notes(200)
SETTINGS: Mapping[str, object] = {"reflection": "true", "log_format": "json", "metrics_listen": "127.0.0.1:0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files and a database for connectors to read."""
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "note.csv").write_text("id,text\nf1,one\nf2,x\n")
    with closing(sqlite3.connect(folder / "shop.db")) as shop, shop:
        shop.execute("CREATE TABLE shop (id TEXT PRIMARY KEY, text TEXT)")
        shop.execute("INSERT INTO shop VALUES ('s1', 'one')")
    return folder


@dataclass
class Fuzzed:
    """A server, who calls it, and who must see nothing of that."""

    server: ServerProcess
    target: Target
    store: Store
    url: str
    device: Device
    account_id: str
    """The device's."""
    guarded: str | None
    """An account of which nobody changes anything."""

    def check_copy(self, copy: Mapping[tuple[str, str], Any]) -> None:
        """All that was written before is there as it was; where everybody may write, other records come to it."""
        if self.guarded is not None:
            assert copy == {("note", key): {"id": key, "text": text} for key, text in NOTES.items()}

    def guarded_rows(self) -> Mapping[str, Sequence[str]]:
        """All that must stay as it is."""
        return {} if self.guarded is None else everything_of(self.url, self.guarded)


def write_notes(store: Store, account_id: str) -> None:
    writes = [record_write(NOTE, {"id": key, "text": text}, modified_at=1) for key, text in NOTES.items()]
    store.write_records(account_id, writes)


@contextmanager
def in_development(url: str, folder: Path, **settings: object) -> Iterator[Fuzzed]:
    """Everybody may do everything, in one account that the device is of, too."""
    with closing(open_store(url)) as store:
        declare_notes(store)
        write_notes(store, "dev")
        with start_server(url, file_roots=folder, **settings) as server:
            device = Device(server.address)
            target = Target(server.address, [NOBODY] * 10, None, str(device.uuid), str(folder))
            yield Fuzzed(server, target, store, url, device, "dev", None)


@contextmanager
def with_credentials(url: str, folder: Path, *, tls: bool, **settings: object) -> Iterator[Fuzzed]:
    """Callers of two accounts know all ids of a third one; the device is of a fourth."""
    certificates = make_certificates(folder.parent / "certificates") if tls else None
    if certificates is not None:
        settings |= server_settings(certificates)
    with closing(open_store(url)) as store:
        for account_id in (*ACCOUNTS, CALM, STILL):
            store.create_account(account_id)
            store.write_schema(account_id, SCHEMA, expected_version=0)
        write_notes(store, CALM)
        desk = Desk(store, folder.parent)
        with start_server(url, file_roots=folder, sweep_minutes=0.02, **settings, **desk.settings) as server:
            ca_file = None if certificates is None else certificates / "ca.pem"
            credentials = None if ca_file is None else grpc.ssl_channel_credentials(ca_file.read_bytes())
            device = Device(server.address, token=desk.token(CALM), ca_file=ca_file, insecure=not tls)
            target = Target(server.address, desk.identities(), credentials, str(device.uuid), str(folder))
            hints = asyncio.run(fill_all(target, store, desk))
            while not is_swept(everything_of(url, STILL)):
                time.sleep(0.1)
            yield Fuzzed(server, replace(target, hints=hints), store, url, device, CALM, STILL)


def is_swept(rows: Mapping[str, Sequence[str]]) -> bool:
    """Has the sweep been there, which takes payloads of requests that ended, and lets a device expire?"""
    return not rows["payload_chunk"] and any("'expired'" in device for device in rows["device"])


async def fill_all(target: Target, store: Store, desk: Desk) -> Sequence[str]:
    """Put something into the accounts of the callers, and into the one that nobody calls; the ids in that."""
    async with target.channel() as channel:
        for account_id in ACCOUNTS:
            await fill(channel, desk.api_key(account_id), store, account_id)
        return await fill(channel, desk.api_key(STILL), store, STILL)


@pytest.fixture(params=["development", "tls-sqlite", "postgres"])
def fuzzed(request: pytest.FixtureRequest, folder: Path) -> Iterator[Fuzzed]:
    """A server of each kind."""
    url: str = request.getfixturevalue("postgres_url" if request.param == "postgres" else "sqlite_url")
    made = (
        in_development(url, folder, **SETTINGS)
        if request.param == "development"
        else with_credentials(url, folder, tls=request.param == "tls-sqlite", **SETTINGS)
    )
    with made as fuzzed:
        yield fuzzed


def assert_a_new_device_has_all(device: Device, store: Store, account_id: str) -> None:
    """Load a copy and compare it, once what sync requests have still to write is written."""
    while True:
        before = records_of(store, account_id)
        copy = device.load(uuid4())
        if records_of(store, account_id) == before:
            assert copy == before
            return


def test_odd_calls_of_all_methods_do_no_harm(fuzzed: Fuzzed) -> None:
    server, outcome, began = fuzzed.server, Outcome(), time.monotonic()
    guarded, taken = fuzzed.guarded_rows(), [taken_by(server)]
    print(f"\nat the start: {taken[0]}")
    with fuzzed.device.loading(fuzzed.check_copy) as seconds:
        for name, share in (("warm", 0.2), ("first", 0.3), ("second", 0.5)):
            calls = round(CALLS * share)
            asyncio.run(fuzz(fuzzed.target, seed=name, calls=calls, connections=CONNECTIONS, outcome=outcome))
            taken.append(taken_by(server))
            print(f"{calls:,} calls later, {time.monotonic() - began:,.0f} s: {taken[-1]}", flush=True)
    files_max, threads_max = taken[1].files + FILES_MORE_MAX, taken[1].threads + THREADS_MORE_MAX
    rest = taken_at_rest(server, files_max=files_max, threads_max=threads_max)
    print(f"at rest: {rest}; the longest call: {outcome.seconds_max}")
    print(f"a well-behaved client synchronised {len(seconds):,} times, in {max(seconds):.2f} s at most")
    for ended, count in outcome.statuses().most_common():
        print(f"{count:9,} {ended}")
    assert outcome.faults[:20] == []
    assert {name for name, _ in outcome.codes} == {method.name for method in METHODS}
    check_server(server)
    assert_a_new_device_has_all(fuzzed.device, fuzzed.store, fuzzed.account_id)
    assert {name: rows for name, rows in fuzzed.guarded_rows().items() if rows != guarded[name]} == {}
    assert live_streams(server) == 0
    assert rest.memory_bytes - taken[1].memory_bytes < GROWTH_BYTES_MAX
    assert rest.files <= files_max
    assert rest.threads <= threads_max


def test_garbage_on_the_socket_does_no_harm(sqlite_url: str, folder: Path) -> None:
    def throw(server: ServerProcess, count: int, kinds: Collection[str], seed: str) -> int:
        vandal = Vandal("127.0.0.1", server.port, Random(seed), kinds)
        while vandal.thrown < count:
            vandal.throw()
        vandal.close()
        return taken_by(server).memory_bytes

    freed = GARBAGE.keys() - KEPT_BY_GRPC
    with in_development(sqlite_url, folder, **SETTINGS) as fuzzed:
        server = fuzzed.server
        with fuzzed.device.loading(fuzzed.check_copy) as seconds:
            before = throw(server, GARBAGES // 3, freed, "warm")
            first = taken_by(server)
            after = throw(server, GARBAGES, freed, "run")
            kept = throw(server, GARBAGES_KEPT, KEPT_BY_GRPC, "kept")
        print(f"\n{GARBAGES:,} connections of garbage; memory {before:,} -> {after:,} bytes")
        print(f"{GARBAGES_KEPT:,} more of what gRPC keeps: {kept:,} bytes")
        print(f"a well-behaved client synchronised {len(seconds):,} times, in {max(seconds):.2f} s at most")
        assert after - before < GROWTH_BYTES_MAX
        check_server(server)
        assert_a_new_device_has_all(fuzzed.device, fuzzed.store, "dev")
        files_max, threads_max = first.files + FILES_MORE_MAX, first.threads + THREADS_MORE_MAX
        rest = taken_at_rest(server, files_max=files_max, threads_max=threads_max)
        assert rest.files <= files_max
        assert rest.threads <= threads_max
