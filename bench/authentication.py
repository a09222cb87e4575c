"""What it costs a call to prove who makes it: GetSchema with a credential, by the same call in development mode.

Each kind has a server process of its own, over the same database. A token or key that a server has seen is remembered;
with `new_jwt` every call brings another token, so that each is verified.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

import grpc

from bench.figure import Figure
from bench.records import ITEMS, item_writes
from bench.rounds import alternate
from bench.workplace import ACCOUNT, STORES, StoreName, Workplace
from syncline.server.environment import now_us
from syncline.server.identity.api_key_text import new_api_key, secret_hash
from syncline.storage import open_store
from syncline.storage.api_key_models import ApiKey
from syncline.v1 import sync_service_pb2, sync_service_pb2_grpc
from tests.harness.issuer import IDENTITY, claims, ec_key, jwks, signed
from tests.harness.server import start_server

ITEMS_COUNT = 1_000
CALLS = 500
"""In a round."""
ROUNDS = 9


def run(workplace: Workplace) -> Iterator[Figure]:
    """Measure on each store."""
    for store in STORES:
        yield from _measure(workplace, store)


def _measure(workplace: Workplace, store: StoreName) -> Iterator[Figure]:
    url, key = workplace.new_database(store), ec_key()
    workplace.fill(url, ITEMS, item_writes(ITEMS_COUNT))
    with ExitStack() as stack:
        published = Path(stack.enter_context(TemporaryDirectory(prefix="syncline-bench-"))) / "jwks.json"
        published.write_bytes(jwks(one=key))
        with workplace.step("signing tokens"):
            tokens = [signed(key, claims(account=ACCOUNT, jti=str(number))) for number in range(CALLS * ROUNDS)]
        kinds: dict[str, tuple[dict[str, object], list[str]]] = {
            "api_key": ({"api_keys": True}, [_api_key(url)]),
            "jwt": ({**IDENTITY, "jwks": published}, tokens[:1]),
            "new_jwt": ({**IDENTITY, "jwks": published}, tokens),
        }
        plain = _caller(stack, url, {}, [])
        for name, (settings, credentials) in kinds.items():
            call = _caller(stack, url, settings, credentials)
            with workplace.step(f"calling with {name} on {store}"):
                rounds = alternate(partial(_microseconds, call), partial(_microseconds, plain), rounds=ROUNDS)
            yield Figure(f"authentication_{name}", store, rounds.value, "µs", rounds.limit, rounds.detail)


def _api_key(url: str) -> str:
    text, (prefix, secret) = new_api_key()
    store = open_store(url)
    key = ApiKey(prefix, "bench", secret_hash(secret), frozenset({"sync"}), None, created_at=now_us())
    store.create_api_key(ACCOUNT, key)
    store.close()
    return text


def _caller(stack: ExitStack, url: str, settings: dict[str, object], tokens: list[str]) -> Callable[[], object]:
    """Makes one call to a server of its own, with one of the tokens after the other."""
    server = stack.enter_context(start_server(url, **settings))
    channel = stack.enter_context(grpc.insecure_channel(server.address))
    stub = sync_service_pb2_grpc.SyncServiceStub(channel)
    device = ("syncline-device-uuid", str(uuid4()))
    metadata = cycle([(device, ("authorization", f"Bearer {token}")) for token in tokens] or [(device,)])
    request = sync_service_pb2.GetSchemaRequest()
    return lambda: stub.GetSchema(request, metadata=next(metadata))


def _microseconds(call: Callable[[], object]) -> float:
    """The median duration of a call."""
    durations = []
    for _ in range(CALLS):
        started = time.perf_counter_ns()
        call()
        durations.append((time.perf_counter_ns() - started) / 1_000)
    return median(durations)
