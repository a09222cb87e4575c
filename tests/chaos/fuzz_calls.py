"""Random calls of all methods of a server: odd messages, in odd order, with odd metadata, left at odd moments."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Self
from uuid import UUID

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

import syncline.v1
from tests.chaos.fuzz_callers import Identity
from tests.chaos.fuzz_known import Known, Pool, parsed
from tests.chaos.fuzz_messages import Messages


def _service_files() -> Iterator[Any]:
    for module in pkgutil.iter_modules(syncline.v1.__path__):
        if module.name.endswith("_service_pb2"):
            yield importlib.import_module(f"syncline.v1.{module.name}")
    yield from (health_pb2, reflection_pb2)


METHODS: Final[Sequence[MethodDescriptor]] = [
    method
    for file in _service_files()
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]

_DEVICES: Final = 4
"""Of each identity: few, so that they come to have sessions, pages and receipts."""
_UNANSWERED_SECONDS: Final = 20.0
_CALLERS_OF_CONNECTION: Final = 4
_CALLS_OF_CONNECTION: Final = 500
_CORE: Final = "Internal error from Core"
"""How gRPC begins the text of what it says itself for want of an answer."""

_ODD_METADATA: Final[Sequence[tuple[tuple[str, str | bytes], ...]]] = (
    (),
    (("syncline-device-uuid", ""),),
    (("syncline-device-uuid", "not a uuid"),),
    (("syncline-device-uuid", "x" * 6_000),),
    (("syncline-device-uuid", "00000000-0000-0000-0000-000000000000"),),
    (("syncline-device-uuid", "{12345678-1234-5678-1234-567812345678}"), ("syncline-device-uuid", "again")),
    (("syncline-device-uuid-bin", bytes(range(256))),),
    (("authorization", ""),),
    (("authorization", "Bearer"),),
    (("authorization", "Bearer " + "x" * 5_000),),
    (("authorization", "Basic ZGV2OmRldg=="), ("authorization", "Bearer twice")),
    (("traceparent", "00-" + "f" * 500), ("tracestate", "," * 3_000), ("baggage", "a=b")),
    (("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("traceparent", "x")),
    tuple((f"x-{number}", "y" * 40) for number in range(60)),
    (("x-large", "y" * 20_000),),
    (("grpc-accept-encoding", "nonsense"), ("te", "nonsense")),
)


@dataclass
class Outcome:
    """What came of all calls."""

    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each method, by its name, ended with each status and reason."""
    faults: list[str] = field(default_factory=list)
    """What must not be: an answer that says that the server is at fault, or says no reason."""
    seconds_max: tuple[float, str] = (0.0, "")
    """The longest that a call took, and its method."""

    def statuses(self) -> Counter[str]:
        """How often each status and reason came, of all methods."""
        summed: Counter[str] = Counter()
        for (_, ended), count in self.codes.items():
            summed[ended] += count
        return summed


@dataclass
class _End:
    """One of those who call: an identity with a device."""

    identity: Identity
    device_uuid: str
    known: Known = field(default_factory=Known)


@dataclass(frozen=True)
class Target:
    """The server that is called, and by whom."""

    address: str
    identities: Sequence[Identity]
    credentials: grpc.ChannelCredentials | None
    """For TLS; None: without it."""
    spared: str
    """A device that no call is about: a caller with all rights could disable it."""
    folder: str
    """Files that connectors of the server may read."""
    hints: Sequence[str] = ()
    """Ids of others, to begin with."""

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 2**20)]
        options += [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        return grpc.aio.secure_channel(self.address, self.credentials, options=options)


class Caller:
    """Calls a server in random ways."""

    def __init__(self, target: Target, seed: str, outcome: Outcome) -> None:
        self._rng = rng = Random(seed)
        self._outcome = outcome
        self._pool = Pool(rng, target.spared)
        for hint in target.hints:
            self._pool.add(hint)
        self._messages = Messages(rng, self._pool, target.folder)
        self._ends = [
            _End(identity, str(UUID(int=rng.getrandbits(128), version=4)))
            for identity in target.identities
            for _ in range(_DEVICES)
        ]

    async def call(self, channel: grpc.aio.Channel) -> None:
        """One call of one method."""
        rng, end = self._rng, self._rng.choice(self._ends)
        method = rng.choice(METHODS)
        # Now and then with what another one was told.
        known = end.known if rng.random() < 0.9 else rng.choice(self._ends).known
        made = self._messages.made(method, known)
        metadata = (
            *(rng.choice(_ODD_METADATA) if rng.random() < 0.05 else (("syncline-device-uuid", end.device_uuid),)),
            *(end.identity.metadata(rng) if rng.random() < 0.99 else ()),
        )
        sent = _sent(rng, method, made.encoded)
        manner = _manner(rng, method, is_none=not sent)
        name = f"{method.containing_service.full_name}/{method.name}"
        if rng.random() < 0.01:
            name += rng.choice(("s", "/", "\u007f", "/../StartSession"))
        calling: Any = channel.stream_stream(f"/{name}")  # bytes both ways, however many a method takes
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(manner.leave_after):
                opened = calling(_Each(sent, manner), metadata=metadata, timeout=manner.deadline)
                try:
                    async for answer in opened:
                        self._learn(method, end, made.asked, answer)
                finally:
                    opened.cancel()
            ended = "OK"
        except TimeoutError:
            ended = "left" if manner.leave_after < _UNANSWERED_SECONDS else "no answer"
        except grpc.aio.AioRpcError as error:
            ended = self._told(method, error, manner)
        self._outcome.codes[method.name, ended] += 1
        self._outcome.seconds_max = max((asyncio.get_running_loop().time() - began, name), self._outcome.seconds_max)
        if ended == "no answer":
            self._outcome.faults.append(f"{name}: no answer to {sent!r:.2000}")

    def _learn(self, method: MethodDescriptor, end: _End, asked: Message | None, answer: bytes) -> None:
        message = parsed(method.output_type, answer)
        if not self._pool.is_spared(message):
            end.known.learn(asked, message)
        self._pool.learn(message)

    def _told(self, method: MethodDescriptor, error: grpc.aio.AioRpcError, manner: _Manner) -> str:
        """Status and reason of an error; one that must not be is kept as a fault."""
        code, text = error.code().name, error.details() or ""
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs forget aio
        reasons = [detail.value for detail in status.details if detail.type_url.endswith("ErrorInfo")] if status else []
        if code == "DEADLINE_EXCEEDED" and manner.deadline is not None:
            return f"{code} (its own)"
        of_core = text.startswith(_CORE)
        ours = code in ("UNKNOWN", "INTERNAL", "DATA_LOSS", "UNAVAILABLE") and not of_core
        if ours or not (reasons or of_core or _says_grpc_itself(method, code, text)):
            self._outcome.faults.append(f"{method.full_name}: {code} {text}")
        return f"{code} (gRPC itself)" if not reasons else code


@dataclass(frozen=True)
class _Manner:
    """How a call is made."""

    pause_s: float
    """Between its messages."""
    stays_open: bool
    """Does it never say that it has sent all?"""
    leave_after: float
    deadline: float | None


def _manner(rng: Random, method: MethodDescriptor, *, is_none: bool) -> _Manner:
    """Streams may stay open for ever, so they are left; so are some others, at once.

    Where one message is due and none comes, gRPC 1.85 tells nobody of the call, and answers it never.
    """
    leaves = method.server_streaming or rng.random() < 0.03 or (is_none and not method.client_streaming)
    stays_open = method.client_streaming and rng.random() < 0.15
    return _Manner(
        pause_s=rng.choice((0.0, 0.0, 0.0, 0.01)),
        stays_open=stays_open,
        leave_after=rng.choice((0.0, 0.01, 0.05, 0.3)) if leaves or stays_open else _UNANSWERED_SECONDS,
        deadline=0.001 if rng.random() < 0.03 else None,
    )


def _sent(rng: Random, method: MethodDescriptor, encoded: Sequence[bytes]) -> Sequence[bytes]:
    """The messages; of a method that takes one, none or several now and then."""
    if method.client_streaming or rng.random() >= 0.02:
        return encoded
    return [*encoded] * rng.choice((0, 2, 3))


def _says_grpc_itself(method: MethodDescriptor, code: str, text: str) -> bool:
    """Is that said before any of our code sees the call, or by a service that is gRPC's own?"""
    if method.containing_service.file.package.startswith("grpc."):
        return True
    too_large = "metadata" in text or "message larger than max" in text
    return code in ("UNIMPLEMENTED", "CANCELLED") or (code == "RESOURCE_EXHAUSTED" and too_large)


class _Each:
    """The messages one by one. No generator: gRPC leaves those that it does not need any more as they are."""

    def __init__(self, messages: Sequence[bytes], manner: _Manner) -> None:
        self._left = list(messages)
        self._manner = manner

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._left:
            await asyncio.sleep(self._manner.pause_s)
            return self._left.pop(0)
        if self._manner.stays_open:
            await asyncio.sleep(_UNANSWERED_SECONDS)
        raise StopAsyncIteration


async def fuzz(target: Target, *, seed: str, calls: int, connections: int, outcome: Outcome) -> None:
    """Make so many calls, over a few connections each of which is closed some time and made anew."""
    caller = Caller(target, seed, outcome)
    left = calls

    async def work(channel: grpc.aio.Channel) -> None:
        nonlocal left
        for _ in range(_CALLS_OF_CONNECTION // _CALLERS_OF_CONNECTION):
            if left <= 0:
                return
            left -= 1
            await caller.call(channel)

    async def connect() -> None:
        while left > 0:
            async with target.channel() as channel, asyncio.TaskGroup() as group:
                for _ in range(_CALLERS_OF_CONNECTION):
                    group.create_task(work(channel))

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(connect())
