"""One way to make a single call with either client, for tests that hold both to the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from syncline.client import (
    AsyncDiagnosticsClient,
    AsyncEnrollmentClient,
    AsyncSyncRequestClient,
    DiagnosticsClient,
    EnrollmentClient,
    SyncRequestClient,
)

Call = Callable[..., Awaitable[Any]]
"""call(target, "requests", "enrollments" or "diagnostics", method, *arguments): the result, or the list of what it
iterates over."""

_BLOCKING: dict[str, Any] = {
    "requests": SyncRequestClient,
    "enrollments": EnrollmentClient,
    "diagnostics": DiagnosticsClient,
}
_ASYNCIO: dict[str, Any] = {
    "requests": AsyncSyncRequestClient,
    "enrollments": AsyncEnrollmentClient,
    "diagnostics": AsyncDiagnosticsClient,
}


async def call_blocking(target: str, service: str, method: str, *words: Any, **options: Any) -> Any:
    def call() -> Any:
        with _BLOCKING[service](target) as client:
            result = getattr(client, method)(*words, **options)
            return list(result) if isinstance(result, Iterator) else result

    return await asyncio.to_thread(call)


async def call_asyncio(target: str, service: str, method: str, *words: Any, **options: Any) -> Any:
    async with _ASYNCIO[service](target) as client:
        result = getattr(client, method)(*words, **options)
        return [each async for each in result] if isinstance(result, AsyncIterator) else await result
