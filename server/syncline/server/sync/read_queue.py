"""ReadQueue: one stream of pages, live if asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from syncline.data import metrics
from syncline.server.environment import Environment, now_us
from syncline.server.errors import AckOverdue
from syncline.server.notify import Listener
from syncline.server.sync.page_spans import page_span
from syncline.server.sync.paging import PageCutter
from syncline.server.sync.window import AckWindow
from syncline.server.telemetry.instruments import counter, histogram, metrics_are_on
from syncline.storage.device_access import check_access
from syncline.storage.errors import StreamSuperseded
from syncline.storage.identity import random_id
from syncline.storage.models import Feed, QueueRead, Session
from syncline.v1 import queue_pb2

_ITEMS = counter(metrics.QUEUE_ITEMS)
_WAKEUP = histogram(metrics.WAKEUP_LATENCY)
_BY_STREAM: Final = {metrics.METHOD: "syncline.v1.SyncService/ReadQueue"}

_UPKEEP_SECONDS_MAX = 600
"""How often a live stream prolongs its session and counts as contact of its device."""


@dataclass(frozen=True, slots=True)
class ReadQueue:
    """What a device asks for."""

    session_id: str
    page_size: int
    follow: bool
    item_ack_keys: bool


async def read_queue(
    env: Environment, device_uuid: UUID, request: ReadQueue
) -> AsyncGenerator[queue_pb2.QueuePage, None]:
    """Yield the pages of a session's queue up to the first checkpoint, or for ever.

    Raises:
        SessionNotFound, SessionExpired: there is no such session to read.
        StreamSuperseded: a newer stream of the device was opened.
        ResyncRequired: the device may not go on from where it is.
        DeviceDisabled, DeviceWiped, DeviceNotFound: somebody decided so meanwhile.
        AckOverdue: the device does not acknowledge what it gets.
        Draining: the server is stopping.
    """
    env.drain.check()
    now = now_us()
    session = await env.threads.run(
        env.store.get_session,
        env.account_id,
        device_uuid,
        request.session_id,
        now=now,
        expire_at=env.session_end(now),
    )
    stream_id = random_id()
    with env.notifier.listen(env.account_id, device_uuid, stream_id) as listener:
        run = env.threads.run_for_first_sync if is_first_sync(env, session) else env.threads.run
        await run(env.store.open_stream, env.account_id, device_uuid, stream_id=stream_id)
        env.notifier.stream_opened(env.account_id, device_uuid, stream_id)
        stream = _Stream(env, device_uuid, session, request, listener)
        try:
            async with aclosing(stream.pages()) as pages:
                async for page in pages:
                    yield page
                    del page  # an idle stream would hold its last page
        finally:
            stream.close()


def is_first_sync(env: Environment, session: Session) -> bool:
    """Has the session so much to bring that others must not wait for it?"""
    return session.total_count > env.settings.first_sync_items


class _Stream:
    """One ReadQueue call."""

    def __init__(
        self, env: Environment, device_uuid: UUID, session: Session, request: ReadQueue, listener: Listener
    ) -> None:
        self._env = env
        self._device_uuid = device_uuid
        self._session = session
        self._follow = request.follow
        self._listener = listener
        self._cutter = PageCutter(
            session, env.sealer(device_uuid), page_size=request.page_size, item_ack_keys=request.item_ack_keys
        )
        self._window = AckWindow(env.settings.pages_in_flight)
        self._account_id = env.account_id
        env.windows.open(self._account_id, device_uuid, self._window)
        self._cursors: dict[Feed, int] = {}
        self._redeliver_after: tuple[str, str] | None = ("", "")
        self._first_sync = env.first_syncs.join((env.account_id, device_uuid)) if is_first_sync(env, session) else None
        """None: it is none, or is over."""
        self._ahead: asyncio.Future[QueueRead] | None = None
        self._clock = asyncio.get_running_loop().time
        self._upkeep_seconds = min(_UPKEEP_SECONDS_MAX, env.settings.session_minutes * 60 / 4)
        self._upkeep_at = self._clock() + self._upkeep_seconds
        self._through = 0
        self._at_checkpoint = False
        self._is_live = False
        """The first checkpoint was sent: what comes now has just been written."""
        self._is_measured = metrics_are_on()
        self._news_at: float | None = None
        """When the news came that are being read, and of which no page is sent yet."""

    def close(self) -> None:
        """Drop what is being read ahead, and what is known of pages on their way. It may come when no call is left."""
        self._env.windows.close(self._account_id, self._device_uuid, self._window)
        if self._ahead is not None:
            self._ahead.cancel()
        self._end_first_sync()

    async def pages(self) -> AsyncGenerator[queue_pb2.QueuePage, None]:
        """Read, cut, send; the next read is under way while the pages of one are sent."""
        while True:
            async with aclosing(self._pages_of_one_read()) as pages:
                async for page in pages:
                    yield page
                    del page  # as in read_queue
            if self._at_checkpoint:
                if not self._follow:
                    return
                await self._await_news(self._through)

    async def _pages_of_one_read(self) -> AsyncGenerator[queue_pb2.QueuePage, None]:
        """The pages of one read. What was read is gone when this ends: it may be megabytes, and a wait may follow."""
        reading = self._ahead or self._start_read()
        self._ahead = None
        read = await reading
        self._pass(read)
        if not read.complete:
            self._ahead = self._start_read()
        for page in self._cutter.cut(read):
            self._note_awake()
            await self._await_room()
            if self._is_live and self._is_measured:
                self._window.add_live(page)
            else:
                self._window.add(page)
            if page.message.count:
                _ITEMS.add(page.message.count, _BY_STREAM)
            with page_span(page):
                yield page.message
            if self._first_sync is not None:
                self._first_sync.note_progress()
        if read.complete:
            self._end_first_sync()
        self._is_live = self._is_live or read.complete
        self._news_at = None

    def _note_awake(self) -> None:
        """Tell how long it took from the news to their first page."""
        if self._news_at is not None:
            _WAKEUP.record(self._clock() - self._news_at)
            self._news_at = None

    def _start_read(self) -> asyncio.Future[QueueRead]:
        env = self._env
        read = partial(
            env.store.read_queue,
            self._account_id,
            self._device_uuid,
            self._session,
            dict(self._cursors),
            max_items=env.settings.read_items,
            max_bytes=env.settings.read_bytes,
            stream_id=self._listener.stream_id,
            redeliver_after=self._redeliver_after,
        )
        if self._first_sync is None:
            return env.threads.start(read)
        reading = self._first_sync.read(lambda: env.threads.run_for_first_sync(read))
        return asyncio.create_task(reading, name="read a first sync")

    def _end_first_sync(self) -> None:
        """Let the next one begin."""
        if self._first_sync is not None:
            self._first_sync.leave()
            self._first_sync = None

    def _pass(self, read: QueueRead) -> None:
        """Let the next read begin behind this one."""
        self._through, self._at_checkpoint = read.through, read.complete
        for feed in self._session.feeds:
            name = feed.position.feed
            self._cursors[name] = max(read.through, self._cursors.get(name, feed.start))
        again = read.redelivered[-1].item if read.redelivered else None
        self._redeliver_after = (again.object_type, again.key) if again else None

    async def _await_room(self) -> None:
        """Wait until the device has acknowledged enough for another page."""
        await self._check_may_go_on()
        if not self._window.is_full():
            return
        settings = self._env.settings
        overdue_at = self._clock() + settings.ack_overdue_seconds
        while True:
            self._window.settle(
                await self._env.threads.run(self._env.store.list_positions, self._env.account_id, self._device_uuid)
            )
            if not self._window.is_full():
                return
            left = overdue_at - self._clock()
            if left <= 0:
                raise AckOverdue(settings.pages_in_flight, settings.ack_overdue_seconds)
            await self._listener.wait(min(settings.poll_seconds, left))
            await self._check_may_go_on()

    async def _await_news(self, through: int) -> None:
        """Wait until the head moves beyond `through`, or it is time to look at everything again.

        The read that follows weighs grants, expiry, and which stream is the newest.
        """
        recheck_at = self._clock() + self._env.settings.recheck_seconds * random.uniform(0.5, 1.5)  # noqa: S311 jitter
        while True:
            await self._check_may_go_on()
            if self._clock() >= self._upkeep_at:
                await self._keep_up()
            left = recheck_at - self._clock()
            is_news = self._listener.head_revision > through
            if is_news:
                self._news_at = self._listener.told_at
            self._listener.told_at = None  # without news it was about what has been read
            if is_news or left <= 0:
                self._listener.head_revision = 0
                return
            await self._listener.wait(left)

    async def _check_may_go_on(self) -> None:
        """Raise if the server is stopping, or another stream of the device is the newest."""
        self._env.drain.check()
        if self._listener.challenged:
            self._listener.challenged = False
            env = self._env
            device = await env.threads.run(env.store.get_device, env.account_id, self._device_uuid)
            check_access(env.account_id, device, await env.threads.run(env.store.get_head, env.account_id))
            if device.stream_id != self._listener.stream_id:
                raise StreamSuperseded("a newer stream of this device took over")

    async def _keep_up(self) -> None:
        """Prolong the session and note the contact: an open stream is use of both."""
        env, now = self._env, now_us()
        await env.threads.run(env.store.touch_device, env.account_id, self._device_uuid, now=now)
        await env.threads.run(
            env.store.get_session,
            env.account_id,
            self._device_uuid,
            self._session.session_id,
            now=now,
            expire_at=env.session_end(now),
        )
        self._upkeep_at = self._clock() + self._upkeep_seconds
