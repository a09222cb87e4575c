"""Random calls of all methods of a server: odd messages, in odd order, with odd metadata, left at odd moments."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from uuid import UUID

import grpc
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

import syncline.v1
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

_DEVICES: Final = 40
_MESSAGES_MAX: Final = 5
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

    def statuses(self) -> Counter[str]:
        """How often each status and reason came, of all methods."""
        summed: Counter[str] = Counter()
        for (_, ended), count in self.codes.items():
            summed[ended] += count
        return summed


class Caller:
    """Calls a server in random ways."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], rng: Random, outcome: Outcome, spared: str) -> None:
        self._channels = channels
        self._rng = rng
        self._outcome = outcome
        self._messages = Messages(rng, spared)
        self._devices = [str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(_DEVICES)]

    async def call(self) -> None:
        """One call of one method."""
        rng = self._rng
        method = rng.choice(METHODS)
        count = rng.randint(0, _MESSAGES_MAX) if method.client_streaming else 1
        messages = [self._messages.encoded(method.input_type) for _ in range(count)]
        metadata = (
            rng.choice(_ODD_METADATA) if rng.random() < 0.1 else (("syncline-device-uuid", rng.choice(self._devices)),)
        )
        name = f"{method.containing_service.full_name}/{method.name}"
        if rng.random() < 0.01:
            name += rng.choice(("s", "/", "\u007f", "/../StartSession"))
        # What streams may stay open for ever; some are left at once.
        leave_after = rng.choice((0.0, 0.01, 0.05, 0.3)) if method.server_streaming or rng.random() < 0.03 else 20.0
        kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
        call = getattr(rng.choice(self._channels), kind)(f"/{name}")
        request = _each(messages, rng.choice((0.0, 0.0, 0.01))) if method.client_streaming else messages[0]
        try:
            async with asyncio.timeout(leave_after):
                opened = call(request, metadata=metadata)
                try:
                    await self._take_answers(method, opened)
                finally:
                    opened.cancel()
            ended = "OK"
        except TimeoutError:
            ended = "left" if leave_after < 20 else "no answer"
        except grpc.aio.AioRpcError as error:
            ended = self._told(method, error)
        self._outcome.codes[method.name, ended] += 1
        if ended == "no answer":
            self._outcome.faults.append(f"{name}: no answer to {messages!r:.2000}")

    async def _take_answers(self, method: MethodDescriptor, opened: Any) -> None:
        if not method.server_streaming:
            self._messages.learn(method.output_type, await opened)
            return
        async for answer in opened:
            self._messages.learn(method.output_type, answer)

    def _told(self, method: MethodDescriptor, error: grpc.aio.AioRpcError) -> str:
        """Status and reason of an error; one that must not be is kept as a fault."""
        code, text = error.code().name, error.details() or ""
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs forget aio
        reasons = [detail.value for detail in status.details if detail.type_url.endswith("ErrorInfo")] if status else []
        of_core = text.startswith(_CORE)
        ours = code in ("UNKNOWN", "INTERNAL", "DATA_LOSS", "UNAVAILABLE") and not of_core
        if ours or not (reasons or of_core or _says_grpc_itself(method, code, text)):
            self._outcome.faults.append(f"{method.full_name}: {code} {text}")
        return f"{code} (gRPC itself)" if not reasons else code


def _says_grpc_itself(method: MethodDescriptor, code: str, text: str) -> bool:
    """Is that said before any of our code sees the call, or by a service that is gRPC's own?"""
    if method.containing_service.file.package.startswith("grpc."):
        return True
    return code in ("UNIMPLEMENTED", "CANCELLED") or (code == "RESOURCE_EXHAUSTED" and "metadata" in text)


async def _each(messages: Sequence[bytes], pause_s: float) -> AsyncIterator[bytes]:
    for message in messages:
        yield message
        await asyncio.sleep(pause_s)


async def fuzz(address: str, *, seed: str, calls: int, at_a_time: int, outcome: Outcome, spared: str) -> None:
    """Make so many calls. None is about the device `spared`, which a caller with all rights could disable."""
    channels = [
        grpc.aio.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_metadata_size", 2**20)]
        )
        for _ in range(4)
    ]
    caller = Caller(channels, Random(seed), outcome, spared)
    left = calls

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await caller.call()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_a_time):
                group.create_task(work())
    finally:
        for channel in channels:
            await channel.close()
