"""Letting a call go on only for as long as something holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context

import structlog

from syncline.server.errors import ServerError
from syncline.server.interceptors.wrapping import Sending
from syncline.storage.errors import StoreError

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def watched(check: Callable[[], Awaitable[object]], every_seconds: float) -> AsyncIterator[Sending]:
    """Run the block, and look again and again whether it may go on.

    Args:
        check: raises a `ServerError` if not, which the block then ends with. After any other error it is asked again
            next time: a store that fails gives the block nothing either.
        every_seconds: how often.

    Yields:
        What the block sends its messages in; it is ended before or after one.
    """
    watch = _Watch(check, every_seconds)
    # In a context of its own: the looks are no part of the call's trace.
    watcher = asyncio.create_task(watch.run(), context=Context())
    try:
        yield watch.sending
    except asyncio.CancelledError:
        if watch.refusal is None or not watch.cancelled:
            raise
        watch.call.uncancel()
        raise watch.refusal from None
    finally:
        watcher.cancel()


class _Watch:
    """Looks after the call of the current task."""

    def __init__(self, check: Callable[[], Awaitable[object]], every_seconds: float) -> None:
        call = asyncio.current_task()
        assert call is not None  # noqa: S101  calls are answered by tasks
        self.call = call
        self.refusal: ServerError | None = None
        self.cancelled = False
        """Was the call cancelled here?"""
        self._check = check
        self._every_seconds = every_seconds
        self._is_sending = False

    async def run(self) -> None:
        while self.refusal is None:
            await asyncio.sleep(self._every_seconds)
            try:
                await self._check()
            except ServerError as error:
                self.refusal = error
            except StoreError:
                continue
            except Exception:  # noqa: BLE001  the watch must not end before the call
                _log.exception("it cannot be told whether a call may go on")
        # While gRPC sends, it takes a cancel for its own and answers nothing: the client would wait for ever.
        if not self._is_sending:
            self.cancelled = True
            self.call.cancel()

    @contextmanager
    def sending(self) -> Iterator[None]:
        self._is_sending = True
        try:
            yield
        finally:
            self._is_sending = False
        if self.refusal is not None:
            raise self.refusal
