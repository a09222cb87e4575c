"""One way to run either client's loop, for tests that hold both to the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from syncline.client import AsyncSyncClient, Device, Handler, SyncClient, SyncResult

RunSync = Callable[..., Awaitable[SyncResult]]
"""run(target, handler, device=…, **arguments of sync)"""


async def run_blocking(target: str, handler: Handler, *, device: Device | None = None, **asked: Any) -> SyncResult:
    with SyncClient(target, device or uuid4()) as client:
        return await asyncio.to_thread(client.sync, handler, **asked)


async def run_asyncio(target: str, handler: Handler, *, device: Device | None = None, **asked: Any) -> SyncResult:
    async with AsyncSyncClient(target, device or uuid4()) as client:
        return await client.sync(handler, **asked)
