"""Upload: one stream of changes and their answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar
from uuid import UUID

from syncline.server.drain import Drain
from syncline.server.environment import Environment
from syncline.server.upload.deciding import ReadMessage, StreamDecider
from syncline.server.upload.type_rules import RulesCache
from syncline.storage.identity import random_id
from syncline.v1 import upload_pb2

T = TypeVar("T")


async def upload(
    env: Environment, rules: RulesCache, device_uuid: UUID, requests: AsyncIterator[upload_pb2.UploadRequest]
) -> AsyncGenerator[upload_pb2.UploadResponse, None]:
    """Yield the answers to each message once they are durable, until the device ends the stream.

    Raises:
        InvalidRequest: a message breaks a rule.
        StreamSuperseded: a newer stream of the device was opened.
        DeviceDisabled, DeviceWiped, DeviceNotFound: somebody decided so meanwhile.
        StoreEpochChanged, StaleDevice, ResyncRequired: the device may not upload as things are.
        SeqReused, SeqSettled: the change after the last answer cannot go under its number.
        AnswersTooLarge: the answers did not fit; a repeat of the rest gets them.
        Draining: the server is stopping; what is in hand was answered.
    """
    env.drain.check()
    decider = StreamDecider(env, rules, device_uuid, random_id())
    await env.threads.run(decider.open)
    messages = _Messages(requests, lambda request: env.threads.run(decider.read, request), env.drain)
    try:
        while (message := await _next(env, decider, messages)) is not None:
            decided = await env.threads.run(decider.decide, message, messages.read_on)
            del message  # an idle stream would hold its last message
            if decided.written:
                env.notifier.head_moved(env.account_id, decided.head_revision)
            if decided.response.answers or decided.error is None:
                yield decided.response
            if decided.error is not None:
                raise decided.error
            del decided
    finally:
        await messages.close()


async def _next(env: Environment, decider: StreamDecider, messages: _Messages[ReadMessage]) -> ReadMessage | None:
    """The next message; None: there are no more. While none comes, the stream asks whether it may go on."""
    recheck_seconds = env.settings.recheck_seconds
    while not await messages.has_come(recheck_seconds * random.uniform(0.5, 1.5)):  # noqa: S311 jitter
        await env.threads.run(decider.check)
    return await messages.next()


class _Messages(Generic[T]):
    """The messages of a stream. One is taken ahead, never more, and read as soon as `read_on` says that it is time.

    Both reading and planning are the processor's work: at once, they would only be in each other's way. What remains
    after planning is the database's.
    """

    def __init__(
        self,
        requests: AsyncIterator[upload_pb2.UploadRequest],
        read: Callable[[upload_pb2.UploadRequest], Awaitable[T]],
        drain: Drain,
    ) -> None:
        self._requests = requests
        self._read = read
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._draining = asyncio.create_task(drain.wait())
        self._coming = asyncio.create_task(self._take())

    async def has_come(self, within_seconds: float | None = None) -> bool:
        """Wait until `next` has something to say, but no longer than this; has it?"""
        waits_for = (self._coming, self._draining)
        done, _ = await asyncio.wait(waits_for, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def next(self) -> T | None:
        """The next message; None: there are no more. Raises `Draining` once the server is stopping."""
        await self.has_come()
        self._drain.check()
        message = await self._coming
        if message is not None:
            self._may_read.clear()
            self._coming = asyncio.create_task(self._take())
        return message

    def read_on(self) -> None:
        """Read the next message. From any thread."""
        self._loop.call_soon_threadsafe(self._may_read.set)

    async def close(self) -> None:
        """Wait for no more messages."""
        self._coming.cancel()
        self._draining.cancel()
        await asyncio.gather(self._coming, self._draining, return_exceptions=True)

    async def _take(self) -> T | None:
        request = await anext(self._requests, None)
        if request is None:
            return None
        await self._may_read.wait()
        return await self._read(request)
