"""What the server does besides answering calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from syncline.server.environment import Environment, now_us
from syncline.storage.errors import StoreError

_log = structlog.get_logger(__name__)

_DAY_US = 24 * 3600 * 1_000_000


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


async def sweep(env: Environment) -> None:
    """Expire devices and sessions, remove what every device has passed."""
    now = now_us()
    seen_before = now - int(env.settings.device_expiry_days * _DAY_US)
    collected = await env.threads.run(env.store.collect, env.account_id, devices_seen_before=seen_before, now=now)
    _log.debug("swept", collected=collected)


async def repeat(what: str, work: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    """Do the work for ever, with pauses. A store that fails is tried again next time."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await work()
        except StoreError as error:
            _log.warning("background work failed", work=what, error=str(error))
