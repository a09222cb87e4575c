"""Metrics of calls: every kind of call, however it ends, over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from syncline.data.metrics import CALL_DURATION, LIVE_STREAMS
from syncline.server.interceptors.errors import ErrorInterceptor
from syncline.server.interceptors.measuring import MeasuringInterceptor
from syncline.storage.errors import SessionNotFound
from tests.harness.metrics import Metrics, recorded_metrics

SERVICE = "syncline.test.Measured"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
LONG = 60.0


@pytest.fixture
def recorded() -> Iterator[Metrics]:
    with recorded_metrics() as metrics:
        yield metrics


class _Kinds(grpc.GenericRpcHandler):
    """A method of each kind, each answered `begun` and then what the request says."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        service, _, kind = handler_call_details.method.removeprefix("/").partition("/")
        if service not in (SERVICE, "other.Service") or kind not in KINDS:
            return None
        return getattr(grpc, f"{kind}_rpc_method_handler")(getattr(self, kind))

    async def unary_unary(self, request: bytes, context: Any) -> Any:
        return await self._act(request)

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[Any]:
        yield b"begun"
        yield await self._act(request)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        async for request in requests:
            await self._act(request)
        return b"done"

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield b"begun"
            yield await self._act(request)

    async def _act(self, word: bytes) -> Any:
        match word:
            case b"refuse":
                raise SessionNotFound("no such session")
            case b"fault":
                raise RuntimeError("a fault")
            case b"wait":
                self.waiting.set()
                await asyncio.Event().wait()
        return word


@pytest.fixture
def kinds() -> _Kinds:
    return _Kinds()


@pytest.fixture
async def channel(kinds: _Kinds) -> AsyncIterator[grpc.aio.Channel]:
    async with _serving(kinds, MeasuringInterceptor(), ErrorInterceptor()) as channel:
        yield channel


@asynccontextmanager
async def _serving(kinds: _Kinds, *interceptors: grpc.aio.ServerInterceptor) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=interceptors)
    server.add_generic_rpc_handlers((kinds,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def _until(holds: Callable[[], object]) -> None:
    """Let the server come to the end of a call; pytest's timeout ends a wait for ever."""
    while not holds():  # noqa: ASYNC110  that has no event
        await asyncio.sleep(0)


def _begin(channel: grpc.aio.Channel, kind: str, word: bytes, timeout_s: float = LONG, method: str = "") -> Any:
    request = [word] if kind.startswith("stream") else word
    return getattr(channel, kind)(method or f"/{SERVICE}/{kind}")(request, timeout=timeout_s)


async def _finish(call: Any, kind: str) -> None:
    try:
        if kind.endswith("stream"):
            async for _ in call:
                pass
        else:
            await call
    except (grpc.RpcError, asyncio.CancelledError):
        pass


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("word", "timeout_s", "code"),
    [
        pytest.param(b"well", LONG, "OK", id="ok"),
        pytest.param(b"refuse", LONG, "NOT_FOUND", id="refused"),
        pytest.param(b"fault", LONG, "INTERNAL", id="fault"),
        pytest.param(b"wait", 0.2, "DEADLINE_EXCEEDED", id="deadline"),
        pytest.param(b"wait", LONG, "CANCELLED", id="cancelled"),
    ],
)
async def test_a_call_is_measured_by_its_method_and_its_status(
    kinds: _Kinds, channel: grpc.aio.Channel, recorded: Metrics, kind: str, word: bytes, timeout_s: float, code: str
) -> None:
    call = _begin(channel, kind, word, timeout_s)
    method = f"{SERVICE}/{kind}"
    if code == "CANCELLED":
        await kinds.waiting.wait()
        assert recorded.now(LIVE_STREAMS).get((method,), 0) == (1 if kind.endswith("stream") else 0)
        call.cancel()
    await _finish(call, kind)

    await _until(lambda: recorded.counts(CALL_DURATION))
    assert recorded.counts(CALL_DURATION) == {("grpc", method, code): 1}
    assert recorded.sum(CALL_DURATION) > 0
    assert recorded.now(LIVE_STREAMS).get((method,), 0) == 0


async def test_a_method_that_is_not_ours_makes_no_label(channel: grpc.aio.Channel, recorded: Metrics) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
        await _begin(channel, "unary_unary", b"", method=f"/{SERVICE}/0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
    with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
        await _begin(channel, "unary_unary", b"", method="/syncline.v1.Nothing/Nothing")
    assert await _begin(channel, "unary_unary", b"well", method="/other.Service/unary_unary") == b"well"

    await _begin(channel, "unary_unary", b"well")

    await _until(lambda: recorded.counts(CALL_DURATION))
    assert recorded.counts(CALL_DURATION) == {("grpc", f"{SERVICE}/unary_unary", "OK"): 1}


async def test_an_error_that_nothing_answered_is_unknown(recorded: Metrics) -> None:
    async with _serving(_Kinds(), MeasuringInterceptor()) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="UNKNOWN"):
            await _begin(channel, "unary_unary", b"fault")

    await _until(lambda: recorded.counts(CALL_DURATION))
    assert recorded.counts(CALL_DURATION) == {("grpc", f"{SERVICE}/unary_unary", "UNKNOWN"): 1}
