"""Spans of calls: both ends of every kind of call, however it ends, over a socket."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from syncline.client import Ack, AsyncSyncClient, SyncClient
from syncline.client.tracing import TracedAsyncChannel, TracedChannel
from syncline.data.telemetry import (
    ERROR_TYPE,
    MESSAGES_RECEIVED,
    MESSAGES_SENT,
    RPC_METHOD,
    RPC_SERVICE,
    RPC_STATUS_CODE,
    RPC_SYSTEM,
)
from syncline.server.interceptors.errors import ErrorInterceptor
from syncline.server.interceptors.tracing import TracingInterceptor
from syncline.server.store_threads import StoreThreads
from syncline.storage.errors import SessionNotFound
from tests.harness.server import RunningApp
from tests.harness.spans import Spans, recorded_spans
from tests.harness.wire import is_serving, notes, wire_device

SERVICE = "syncline.test.Kinds"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
STREAMS = ("unary_stream", "stream_stream")
LONG = 60.0
WAITING = asyncio.Event()
"""A call has come to where it waits."""


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded_spans() as recorded:
        yield recorded


async def _act(word: bytes) -> bytes:
    """What the request says."""
    match word:
        case b"refuse":
            raise SessionNotFound("no such session")
        case b"fault":
            raise RuntimeError("a fault")
        case b"wait":
            WAITING.set()
            await asyncio.Event().wait()
        case b"refuse late":
            WAITING.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            raise SessionNotFound("no such session")
    return word


class _Kinds(grpc.GenericRpcHandler):
    """A method of each kind; a stream of answers has a `begun` for each request."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        kind = handler_call_details.method.rpartition("/")[2]
        return getattr(grpc, f"{kind}_rpc_method_handler")(getattr(self, kind))

    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        return await _act(request)

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"begun"
        yield await _act(request)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        async for request in requests:
            await _act(request)
        return b"done"

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield b"begun"
            yield await _act(request)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    WAITING.clear()
    server = grpc.aio.server(interceptors=[TracingInterceptor(), ErrorInterceptor()])
    server.add_generic_rpc_handlers((_Kinds(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def _method(channel: Any, kind: str) -> Any:
    return getattr(channel, kind)(f"/{SERVICE}/{kind}")


class _Words:
    """Requests for either kind of stream, after which it stays open if told so."""

    def __init__(self, words: list[bytes]) -> None:
        self._words = words

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._words)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for word in self._words:
            yield word


def _request(kind: str, word: bytes) -> Any:
    return _Words([b"first", word]) if kind.startswith("stream") else word


_BEFORE_WAITING = {"unary_stream": 1, "stream_stream": 3}
"""Answers of a stream until the last request is there."""


def _call(address: str, kind: str, ending: str) -> None:
    """One call by the blocking channel, ended as told; nothing is raised for what was asked for."""
    word, timeout = _WORDS[ending]
    with grpc.insecure_channel(address) as plain:
        try:
            answer = _method(TracedChannel(plain), kind)(_request(kind, word), timeout=timeout)
            if kind not in STREAMS:
                return
            if ending in ("cancel", "break"):
                assert [next(answer) for _ in range(_BEFORE_WAITING[kind])][-1] == b"begun"
                if ending == "cancel":
                    answer.cancel()
                return  # nothing holds the call any more
            for _ in answer:
                pass
        except grpc.RpcError:
            pass


async def _call_async(address: str, kind: str, ending: str) -> None:
    """The same for asyncio."""
    word, timeout = _WORDS[ending]
    async with grpc.aio.insecure_channel(address) as plain:
        call = _method(TracedAsyncChannel(plain), kind)(_request(kind, word), timeout=timeout)
        try:
            if kind not in STREAMS:
                if ending == "cancel":
                    await WAITING.wait()
                    call.cancel()
                await call
            elif ending in ("cancel", "break"):
                assert [await call.read() for _ in range(_BEFORE_WAITING[kind])][-1] == b"begun"
                if ending == "cancel":
                    call.cancel()
                del call
                gc.collect()  # gRPC's call is part of a cycle
            else:
                async for _ in call:
                    pass
        except (grpc.RpcError, asyncio.CancelledError):
            pass


_WORDS: dict[str, tuple[bytes, float]] = {
    "ok": (b"last", LONG),
    "refused": (b"refuse", LONG),
    "fault": (b"fault", LONG),
    "deadline": (b"wait", 0.2),
    "cancel": (b"wait", LONG),
    "break": (b"wait", LONG),
}
_CODES = {
    "ok": grpc.StatusCode.OK,
    "refused": grpc.StatusCode.NOT_FOUND,
    "fault": grpc.StatusCode.INTERNAL,
    "deadline": grpc.StatusCode.DEADLINE_EXCEEDED,
    "cancel": grpc.StatusCode.CANCELLED,
    "break": grpc.StatusCode.CANCELLED,
}


def _cases() -> Iterator[Any]:
    for api in ("blocking", "asyncio"):
        for kind in KINDS:
            for ending in _CODES:
                if ending == "break" and kind not in STREAMS:
                    continue
                if ending == "cancel" and api == "blocking" and kind not in STREAMS:
                    continue  # nobody has a call to cancel before its answer is there
                yield pytest.param(api, kind, ending, id=f"{api}-{kind}-{ending}")


async def _both(spans: Spans) -> tuple[ReadableSpan, ReadableSpan]:
    """The span of the client and that of the server, once both have ended."""
    await _until(lambda: len(spans.all()) >= 2)
    client, server = sorted(spans, key=lambda span: span.kind is SpanKind.SERVER)
    assert (client.kind, server.kind) == (SpanKind.CLIENT, SpanKind.SERVER)
    return client, server


async def _until(holds: Callable[[], object]) -> None:
    """Let the server come to the end of a call: the last it does is to end the span."""
    while not holds():  # noqa: ASYNC110  that has no event
        await asyncio.sleep(0)


@pytest.mark.parametrize(("api", "kind", "ending"), list(_cases()))
async def test_both_ends_tell_how_a_call_ended(address: str, spans: Spans, api: str, kind: str, ending: str) -> None:
    if api == "blocking":
        await asyncio.to_thread(_call, address, kind, ending)
    else:
        await _call_async(address, kind, ending)

    client, server = await _both(spans)
    code = _CODES[ending]
    for span in (client, server):
        told = span.attributes or {}
        assert span.name == f"{SERVICE}/{kind}"
        assert (told[RPC_SYSTEM], told[RPC_SERVICE], told[RPC_METHOD]) == ("grpc", SERVICE, kind)
        assert told[RPC_STATUS_CODE] == code.value[0]
    assert server.context.trace_id == client.context.trace_id
    assert server.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert _error(client) == (None if ending == "ok" else code.name)
    assert _error(server) == (code.name if ending in ("fault", "deadline") else None)
    if ending == "ok" and kind != "unary_unary":
        assert (client.attributes or {})[MESSAGES_SENT] == (server.attributes or {})[MESSAGES_RECEIVED]
        assert (client.attributes or {})[MESSAGES_RECEIVED] == (server.attributes or {})[MESSAGES_SENT]
        assert (client.attributes or {})[MESSAGES_SENT] == (2 if kind.startswith("stream") else 1)


def _error(span: ReadableSpan) -> str | None:
    """The error of a span; one that has none says so nowhere."""
    error = (span.attributes or {}).get(ERROR_TYPE)
    assert (span.status.status_code is StatusCode.ERROR) == (error is not None)
    assert span.status.description == error
    return None if error is None else str(error)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_that_nobody_hears_any_more_is_no_fault(address: str, spans: Spans, kind: str) -> None:
    async with grpc.aio.insecure_channel(address) as plain:
        call = _method(TracedAsyncChannel(plain), kind)(_request(kind, b"refuse late"), timeout=LONG)
        await WAITING.wait()
        call.cancel()
        _, server = await _both(spans)
    assert _error(server) is None


async def test_a_call_that_cannot_begin_ends_its_span(spans: Spans) -> None:
    plain = grpc.insecure_channel("127.0.0.1:1")
    plain.close()

    with pytest.raises(ValueError, match="closed"):
        _method(TracedChannel(plain), "unary_unary")(b"")

    (span,) = spans
    assert _error(span) == "ValueError"


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("metadata", "goes_on"),
    [
        pytest.param({"traceparent": TRACEPARENT}, True, id="good"),
        pytest.param({"traceparent": TRACEPARENT, "tracestate": "vendor=1"}, True, id="with a state"),
        pytest.param({"traceparent": TRACEPARENT, "tracestate": "=,=,"}, True, id="malformed state"),
        pytest.param({"traceparent": TRACEPARENT, "tracestate": f"a={'x' * 5000}"}, True, id="huge state"),
        pytest.param({"traceparent": TRACEPARENT, "baggage": f"%%%={'x' * 5000}"}, True, id="baggage"),
        pytest.param({"tracestate": "vendor=1"}, False, id="state alone"),
        pytest.param({"traceparent": ""}, False, id="empty"),
        pytest.param({"traceparent": "00-zz-zz-01"}, False, id="malformed"),
        pytest.param({"traceparent": TRACEPARENT[:-3]}, False, id="cut off"),
        pytest.param({"traceparent": f"00-{'0' * 32}-{'0' * 16}-01"}, False, id="zeros"),
        pytest.param({"traceparent": TRACEPARENT.replace("00-", "ff-", 1)}, False, id="version that is none"),
        pytest.param({"traceparent": TRACEPARENT + "0" * 5000}, False, id="huge"),
        pytest.param({"traceparent-bin": b"\x00\xff"}, False, id="binary"),
    ],
)
async def test_a_context_that_cannot_be_read_begins_a_new_trace(
    address: str, spans: Spans, metadata: dict[str, str], goes_on: bool
) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        assert await _method(channel, "unary_unary")(b"x", metadata=tuple(metadata.items())) == b"x"

    await _until(spans.all)
    (server,) = [span for span in spans if span.kind is SpanKind.SERVER]
    assert (server.parent is not None) == goes_on
    assert (trace.format_trace_id(server.context.trace_id) in TRACEPARENT) == goes_on


async def test_no_context_of_a_caller_disturbs_its_call(address: str, spans: Spans) -> None:
    chance = Random(7)
    contexts = [_spoilt(chance) for _ in range(300)]
    async with grpc.aio.insecure_channel(address) as channel:
        answers = [_method(channel, "unary_unary")(b"x", metadata=context) for context in contexts]
        assert [await answer for answer in answers] == [b"x"] * len(contexts)

    await _until(lambda: len(spans.all()) == len(contexts))
    parents = [span.parent for span in spans if span.parent is not None]
    assert 0 < len(parents) < len(contexts)
    assert all(parent.is_valid and parent.is_remote for parent in parents)


def _spoilt(chance: Random) -> tuple[tuple[str, str], ...]:
    """A caller's context with anything in it changed, left out, put in, or said often."""
    told = []
    for name, value in (("traceparent", TRACEPARENT), ("tracestate", "a=1,b@c=2"), ("baggage", "k=v;p")):
        letters = list(value)
        for _ in range(chance.randrange(3)):
            place = chance.randrange(len(letters))
            letters[place : place + chance.randrange(3)] = chance.choices("-=,;%0fgF ~@", k=chance.randrange(3))
        told += [(name, "".join(letters).strip() * chance.choice((1, 1, 1, 40)))] * chance.choice((0, 1, 1, 2))
    return tuple(told)


async def test_a_span_is_current_in_the_threads_of_the_store(spans: Spans) -> None:
    threads = StoreThreads(1)
    try:
        with trace.get_tracer("test").start_as_current_span("call") as span:
            assert await threads.run(trace.get_current_span) is span
        assert await threads.run(trace.get_current_span) is trace.INVALID_SPAN
    finally:
        threads.close()


@pytest.mark.parametrize("client", [SyncClient, AsyncSyncClient])
async def test_a_run_of_a_client_is_traced_in_full(
    in_process_server: RunningApp, spans: Spans, client: type[SyncClient | AsyncSyncClient]
) -> None:
    in_process_server.store.write_records("dev", notes(3))
    running = client(in_process_server.address, uuid4())
    if isinstance(running, SyncClient):
        with running:
            await asyncio.to_thread(running.sync, lambda meta, data: Ack.ACK)
    else:
        async with running:
            await running.sync(lambda meta, data: Ack.ACK)

    calls = {"StartSession", "ReadQueue", "Acknowledge"}
    for kind in (SpanKind.CLIENT, SpanKind.SERVER):
        await _until(partial(_has_all, spans, kind, calls))
    (read,) = [span for span in spans if span.kind is SpanKind.CLIENT and span.name.endswith("/ReadQueue")]
    assert (read.attributes or {})[MESSAGES_RECEIVED] == 1


def _has_all(spans: Spans, kind: SpanKind, methods: set[str]) -> bool:
    return methods <= {str((span.attributes or {}).get(RPC_METHOD)) for span in spans if span.kind is kind}


async def test_health_checks_are_not_traced(in_process_server: RunningApp, spans: Spans) -> None:
    async with wire_device(in_process_server.address) as device:
        assert await is_serving(device.channel, "syncline.v1.SyncService")

    assert not spans.all()


def test_without_a_set_up_there_are_no_spans_and_no_sdk(tmp_path: Path) -> None:
    program = """
import sys
from syncline.client.call_spans import CallSpans
import syncline.client, syncline.replica, syncline.cli.app, syncline.storage, syncline.server.app
assert CallSpans("/a/b").begin((), stream=False) is None
assert not [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
