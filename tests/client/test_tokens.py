"""Bearer tokens: when a function is asked for one, and what becomes of its errors."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from syncline.client import (
    Ack,
    AsyncSyncClient,
    InvalidOption,
    IssuedToken,
    SyncClient,
    TokenUnavailable,
    Unauthenticated,
)
from syncline.v1 import upload_pb2
from tests.client.scripted import Fault, Item, ScriptedService, page
from tests.harness.certificates import make_certificates

REFUSED = Fault(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", message="the bearer token is not valid")
LONG, PAST = datetime(2999, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)

Call = Callable[..., Awaitable[Any]]
Connect = Callable[..., AbstractAsyncContextManager[Call]]
"""connect(target, token=…): call(method, *arguments) of a client."""


@asynccontextmanager
async def blocking(target: str, **options: Any) -> AsyncIterator[Call]:
    with SyncClient(target, uuid4(), **options) as client:

        async def call(method: str, *words: Any) -> Any:
            return await asyncio.to_thread(getattr(client, method), *words)

        yield call


@asynccontextmanager
async def asynchronous(target: str, **options: Any) -> AsyncIterator[Call]:
    async with AsyncSyncClient(target, uuid4(), **options) as client:

        async def call(method: str, *words: Any) -> Any:
            return await getattr(client, method)(*words)

        yield call


@pytest.fixture(params=[blocking, asynchronous])
def connect(request: pytest.FixtureRequest) -> Connect:
    chosen: Connect = request.param
    return chosen


class Issuer:
    """Gives tokens one after the other: `t1`, `t2`, …"""

    def __init__(self, make: Callable[[str], IssuedToken] = lambda name: name) -> None:
        self.asked = 0
        self._make = make

    def __call__(self) -> IssuedToken:
        self.asked += 1
        return self._make(f"t{self.asked}")


def jwt(exp: object) -> str:
    """A token that says when it ends, and is signed by nobody."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, {"exp": exp}))
    return f"{'.'.join(parts)}.signature"


def sent(service: ScriptedService) -> list[Any]:
    return [call.get("authorization") for call in service.metadata]


@pytest.mark.parametrize("token", [lambda _: jwt(LONG.timestamp()), lambda name: (name, LONG)], ids=["jwt", "told"])
async def test_a_token_is_used_for_as_long_as_it_holds(
    connect: Connect, scripted: str, token: Callable[[str], IssuedToken]
) -> None:
    issuer = Issuer(token)
    async with connect(scripted, token=issuer) as call:
        for _ in range(3):
            await call("start_session")
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "token",
    [lambda name: (name, PAST), lambda _: jwt(PAST.timestamp()), lambda _: jwt("soon"), lambda _: "a.b.c"],
    ids=["told", "jwt", "no-time", "no-jwt"],
)
async def test_a_token_that_ends_or_does_not_say_is_asked_for_before_each_call(
    connect: Connect, scripted: str, token: Callable[[str], IssuedToken]
) -> None:
    issuer = Issuer(token)
    async with connect(scripted, token=issuer) as call:
        for _ in range(3):
            await call("start_session")
    assert issuer.asked == 3


async def test_a_refused_token_is_replaced_once(connect: Connect, service: ScriptedService, scripted: str) -> None:
    service.starts.append(REFUSED)
    async with connect(scripted, token=Issuer(lambda name: (name, LONG))) as call:
        await call("start_session")
        assert sent(service) == ["Bearer t1", "Bearer t2"]

        service.starts.extend([REFUSED, REFUSED])
        with pytest.raises(Unauthenticated) as caught:
            await call("start_session")

    assert sent(service)[2:] == ["Bearer t2", "Bearer t3"]
    assert not caught.value.transient


@pytest.mark.parametrize("token", ["fixed", lambda: "same"], ids=["fixed", "same"])
async def test_without_another_token_a_refusal_is_final(
    connect: Connect, service: ScriptedService, scripted: str, token: Any
) -> None:
    service.starts.append(REFUSED)
    async with connect(scripted, token=token) as call:
        with pytest.raises(Unauthenticated, match="not valid"):
            await call("start_session")
    assert len(service.metadata) == 1


@pytest.mark.parametrize(("error", "transient"), [(ConnectionError("no network"), True), (KeyError("typo"), False)])
async def test_what_the_function_raises_reaches_the_caller(
    connect: Connect, service: ScriptedService, scripted: str, error: Exception, transient: bool
) -> None:
    def fail() -> str:
        raise error

    async with connect(scripted, token=fail) as call:
        with pytest.raises(TokenUnavailable) as caught:
            await call("start_session")
    assert caught.value.__cause__ is error
    assert caught.value.transient is transient
    assert not service.metadata


@pytest.mark.parametrize("given", ["secret\n", "", None, ("secret", 12), ("secret", datetime(2999, 1, 1))])  # noqa: DTZ001
async def test_what_is_no_token_is_refused_and_not_shown(connect: Connect, scripted: str, given: Any) -> None:
    async with connect(scripted, token=lambda: given) as call:
        with pytest.raises(TokenUnavailable) as caught:
            await call("start_session")
    assert "secret" not in str(caught.value)


async def test_two_are_never_asked_for_at_once(connect: Connect, scripted: str) -> None:
    running = threading.Lock()

    def issue() -> IssuedToken:
        assert running.acquire(blocking=False)
        running.release()
        return "t", LONG

    async with connect(scripted, token=issue) as call:
        await asyncio.gather(*(call("start_session") for _ in range(4)))


async def test_a_function_that_its_caller_left_goes_on_for_the_next_one(scripted: str) -> None:
    begun, may_end, asked = threading.Event(), threading.Event(), []

    def issue() -> IssuedToken:
        asked.append("t")
        begun.set()
        assert may_end.wait(60)
        return "t", LONG

    async with AsyncSyncClient(scripted, uuid4(), token=issue) as client:
        left = asyncio.create_task(client.start_session())
        await asyncio.to_thread(begun.wait, 60)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        waiting = asyncio.create_task(client.start_session())
        await asyncio.sleep(0)
        may_end.set()
        await waiting
    assert asked == ["t"]


async def test_a_coroutine_that_its_caller_left_ends_before_the_next_one_begins(scripted: str) -> None:
    running, begun = 0, asyncio.Event()

    async def issue() -> IssuedToken:
        nonlocal running
        running += 1
        assert running == 1
        try:
            if not begun.is_set():
                begun.set()
                await asyncio.Event().wait()
            return "t", LONG
        finally:
            await asyncio.sleep(0)  # it takes its time to end
            running -= 1

    async with AsyncSyncClient(scripted, uuid4(), token=issue) as client:
        left = asyncio.create_task(client.start_session())
        await begun.wait()
        waiting = asyncio.create_task(client.start_session())
        await asyncio.sleep(0)
        left.cancel()
        await waiting
    assert left.cancelled()


def test_threads_that_were_refused_together_get_one_new_token(service: ScriptedService, scripted: str) -> None:
    issuer = Issuer(lambda name: (name, LONG))
    with SyncClient(scripted, uuid4(), token=issuer) as client:
        client.start_session()
        service.starts.extend([REFUSED] * 3)
        with ThreadPoolExecutor(3) as pool:
            failures = [future.exception() for future in [pool.submit(client.start_session) for _ in range(3)]]
    # A thread that got the new token while others were still being refused may meet one of their refusals.
    assert issuer.asked <= 3
    assert all(failure is None or isinstance(failure, Unauthenticated) for failure in failures)


async def test_asyncio_awaits_a_coroutine_function_also_for_streams(service: ScriptedService, scripted: str) -> None:
    asked: list[str] = []

    async def issue() -> str:
        await asyncio.sleep(0)
        asked.append("t")
        return "t"

    service.streams.append([page(1, [Item("a", 3, b'{"n":1}')], checkpoint=3)])
    async with AsyncSyncClient(scripted, uuid4(), token=issue) as client:
        assert [each.number async for each in client.read_queue("s")] == [1]
        service.uploads.append([upload_pb2.UploadResponse()])
        async with client.upload("e") as upload:
            await upload.send([])
            assert await upload.receive() == []
    assert asked == ["t", "t"]
    assert sent(service) == ["Bearer t"]


async def test_a_stream_reports_that_its_token_could_not_be_got(scripted: str) -> None:
    async def fail() -> str:
        raise ConnectionError("no network")

    async with AsyncSyncClient(scripted, uuid4(), token=fail) as client:
        with pytest.raises(TokenUnavailable):
            await anext(client.read_queue("s"))
        async with client.upload("e") as upload:
            await upload.send([])
            with pytest.raises(TokenUnavailable):
                await upload.receive()
            upload.cancel()


async def test_a_stream_can_be_left_before_its_token_is_there(service: ScriptedService, scripted: str) -> None:
    never = asyncio.Event()

    async def wait() -> str:
        await never.wait()
        return "t"

    async with AsyncSyncClient(scripted, uuid4(), token=wait) as client:
        pages = client.read_queue("s")
        reading = asyncio.ensure_future(anext(pages, None))
        await asyncio.sleep(0)
        pages.cancel()
        assert await reading is None
    assert not service.read_requests


async def test_a_stream_that_is_refused_goes_on_with_another_token(
    run_refused: Callable[[str, Issuer], Awaitable[int]], service: ScriptedService, scripted: str
) -> None:
    service.streams.extend([[REFUSED], [page(1, [Item("a", 3, b'{"n":1}')], checkpoint=3)]])
    issuer = Issuer(lambda name: (name, LONG))
    assert await run_refused(scripted, issuer) == 1
    assert issuer.asked == 2


@pytest.fixture(params=["blocking", "asyncio"])
def run_refused(request: pytest.FixtureRequest) -> Callable[[str, Issuer], Awaitable[int]]:
    """Sync with tokens of the issuer; the number of items."""

    async def run(target: str, issuer: Issuer) -> int:
        if request.param == "asyncio":
            async with AsyncSyncClient(target, uuid4(), token=issuer) as client:
                return (await client.sync(lambda meta, data: Ack.ACK)).acknowledged
        with SyncClient(target, uuid4(), token=issuer) as blocking_client:
            return (await asyncio.to_thread(blocking_client.sync, lambda meta, data: Ack.ACK)).acknowledged

    return run


def test_a_blocking_client_takes_no_coroutine_function() -> None:
    async def issue() -> str:
        return "t"

    with pytest.raises(InvalidOption, match="coroutine"):
        SyncClient("127.0.0.1:1", uuid4(), token=issue)


@pytest.mark.parametrize("client", [SyncClient, AsyncSyncClient])
def test_a_token_does_not_go_over_plaintext_to_others(client: Any) -> None:
    with pytest.raises(InvalidOption, match="allow_plaintext"):
        client("10.0.0.1:7400", uuid4(), token="t", insecure=True)  # noqa: S106
    client("10.0.0.1:7400", uuid4(), token="t", insecure=True, allow_plaintext=True)  # noqa: S106
    client("10.0.0.1:7400", uuid4(), insecure=True)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"client_certificate": "client.pem"}, "go together"),
        ({"client_key": "client.key"}, "go together"),
        ({"client_certificate": "client.pem", "client_key": "client.key", "insecure": True}, "insecure"),
        ({"client_certificate": "client.pem", "client_key": "nowhere"}, "cannot read client_key"),
        ({"client_certificate": "client.pem", "client_key": "server.key"}, "no pair"),
        ({"client_certificate": "client.key", "client_key": "client.key"}, "no pair"),
    ],
)
def test_certificates_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    folder = make_certificates(tmp_path / "certificates")
    files: dict[str, Any] = {
        name: folder / value if isinstance(value, str) else value for name, value in options.items()
    }
    with pytest.raises(InvalidOption, match=complaint):
        SyncClient("127.0.0.1:1", uuid4(), **files)
