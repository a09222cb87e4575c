"""What the server does besides answering calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import structlog
from grpc_health.v1 import health, health_pb2

from syncline.server.environment import Environment, now_us
from syncline.server.token_keys import load_token_keys
from syncline.storage.errors import StoreError, StoreUnavailable, StoreVersionMismatch

_log = structlog.get_logger(__name__)

_FAILURES_MAX = 2
"""Looks in a row that the database does not answer before the server counts as not ready."""
_DAY_US = 24 * 3600 * 1_000_000

_CHUNKS_MAX = 32
"""Chunks of payloads that one transaction removes; each has up to 1 MiB."""
_ROWS_MAX = 1_000
"""Rows of sync requests that one transaction removes."""


class HeadWatch:
    """Looks at the heads of accounts with live streams: finds what other processes wrote, wakes one or a thousand."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._told: dict[str, int] = {}

    async def look(self) -> None:
        """Tell the streams of each account whose head has moved since the last look."""
        env = self._env
        for account_id in env.notifier.accounts():
            head = await env.threads.run(env.store.get_head, account_id)
            if self._told.get(account_id) != head.revision:
                self._told[account_id] = head.revision
                env.notifier.head_seen(account_id, head.revision)


class DatabaseWatch:
    """Looks whether the database answers and has our tables, and tells health checks.

    So clients go to servers that have theirs.
    """

    def __init__(self, env: Environment, servicer: health.aio.HealthServicer, services: Collection[str]) -> None:
        self._env = env
        self._health = servicer
        self._services = ("", *services)
        """The empty name stands for the server as a whole."""
        self._failures = 0

    async def look(self) -> None:
        """Ask the database for little. Once without an answer is a moment of much to do; from twice on it is away."""
        env = self._env
        try:
            await env.threads.run(env.store.check_version)
        except (StoreUnavailable, StoreVersionMismatch) as error:
            self._failures += 1
            if self._failures == _FAILURES_MAX:
                _log.warning("the database is away, or of another version: not ready", error=str(error))
                await self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)
        else:
            if self._failures >= _FAILURES_MAX:
                _log.info("the database is back: ready")
                await self._tell(health_pb2.HealthCheckResponse.SERVING)
            self._failures = 0

    async def _tell(self, status: int) -> None:
        for service in self._services:
            await self._health.set(service, status)  # a server that drains stays as it is


async def look_for_token_keys(env: Environment) -> None:
    """Learn of the keys that seal tokens: other servers and operators make and retire them, too."""
    now = now_us()
    secrets = await env.threads.run(load_token_keys, env.store, now=now)
    env.token_keys.learn(secrets, now=now)


async def sweep(env: Environment) -> None:
    """Expire devices and sessions, remove what every device has passed, and audit entries of long ago."""
    now = now_us()
    seen_before = now - int(env.settings.device_expiry_days * _DAY_US)
    for account_id in await env.threads.run(env.store.list_accounts):
        collected = await env.threads.run(env.store.collect, account_id, devices_seen_before=seen_before, now=now)
        forgotten = 0
        if env.settings.audit_days:
            acts_before = now - int(env.settings.audit_days * _DAY_US)
            forgotten = await env.threads.run(env.store.forget_acts, account_id, happened_before=acts_before)
        _log.debug("swept", account=account_id, collected=collected, audit_entries=forgotten)


async def sweep_requests(env: Environment) -> None:
    """Remove payloads that nobody can retry any more, and sync requests that ended long ago: little by little."""
    now, settings = now_us(), env.settings
    payloads_before = now - int(settings.payload_days * _DAY_US)
    requests_before = now - int(settings.request_days * _DAY_US) if settings.request_days else 0
    collects = (
        # A request is not removed before its payload.
        partial(env.store.collect_payloads, ended_before=max(payloads_before, requests_before), limit=_CHUNKS_MAX),
        partial(env.store.collect_requests, ended_before=requests_before, limit=_ROWS_MAX),
    )
    for account_id in await env.threads.run(env.store.list_accounts):
        for collect in collects:
            limit = collect.keywords["limit"]
            while await env.threads.run(collect, account_id) == limit:
                pass


async def repeat(what: str, work: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    """Do the work for ever, with pauses. A store that fails is tried again next time."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await work()
        except StoreError as error:
            _log.warning("background work failed", work=what, error=str(error))
