"""The loop of `AsyncSyncClient.sync`."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING

from syncline.client.answers import Ack
from syncline.client.errors import HandlerError, SyncError
from syncline.client.page_work import REJECTIONS_MAX, PageWork, describe
from syncline.client.pages import Page, parse_data
from syncline.client.work_spans import page_attributes, work_span
from syncline.data import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncline.client.answers import AsyncHandler
    from syncline.client.async_client import AsyncSyncClient
    from syncline.client.items import Meta
    from syncline.client.run import SyncResult, SyncRun
    from syncline.client.streams import AsyncPageStream


class AsyncSyncLoop:
    """Sessions one after the other, until a checkpoint is reached or it is stopped."""

    def __init__(self, client: AsyncSyncClient, handler: AsyncHandler, run: SyncRun, stopping: asyncio.Event) -> None:
        self._client = client
        self._handler = handler
        self._run = run
        self._stopping = stopping
        self._pages: AsyncPageStream | None = None

    async def execute(self) -> SyncResult:
        """Run to the end."""
        with work_span(telemetry.SPAN_SYNC):
            while not self._stopping.is_set():
                try:
                    await self._session()
                    break
                except SyncError as error:
                    delay_s = self._run.resume_after(error)
                await self._wait(delay_s)
            return self._run.result(stopped=self._stopping.is_set())

    def stopping(self) -> None:
        """End the wait for pages, after `stopping` was set."""
        pages = self._pages
        if pages is not None:
            pages.cancel()

    async def _wait(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _session(self) -> None:
        run = self._run
        session_id = run.session_started(
            await self._client.start_session(scopes=run.scopes, full_resync=run.full_resync, always=run.follow)
        )
        if not session_id:
            return
        async with self._client.read_queue(
            session_id, page_size=run.page_size, follow=run.follow, item_ack_keys=True
        ) as self._pages:
            if self._stopping.is_set():
                return
            async for page in self._pages:
                await self._take(page)
                if self._stopping.is_set():
                    return
        if not self._stopping.is_set():
            run.stream_ended()

    async def _take(self, page: Page) -> None:
        """Hand out the items of a page and acknowledge them, in one call if possible."""
        work = self._run.page_received(page)
        items = work.items()
        while True:
            try:
                with work_span(telemetry.SPAN_PAGE_APPLY, page_attributes(page.message)):
                    await self._handle(items, work)
                await self._acknowledge(work)
            except SyncError as error:
                if isinstance(error, HandlerError):  # else a call has failed, and the run goes on
                    await self._settle(work, error)
                raise
            except BaseException as abort:
                await self._settle(work, abort)
                raise
            if work.done or self._stopping.is_set():
                return

    async def _handle(self, items: Iterator[tuple[Meta, bytes | None]], work: PageWork) -> None:
        """Hand out items until the page is done, the rejections fill a call, or the run is stopped."""
        handler, stopping = self._handler, self._stopping.is_set
        for meta, raw in items:
            try:
                answer = handler(meta, None if raw is None else parse_data(raw))
                if not isinstance(answer, Ack) and inspect.isawaitable(answer):
                    answer = await answer
            except Exception as error:  # noqa: BLE001 - what an item does to its handler concerns that item only
                work.reject(meta, describe(error))
            else:
                work.answer(meta, answer)
            if len(work.rejections) >= REJECTIONS_MAX or stopping():
                return

    async def _acknowledge(self, work: PageWork) -> None:
        ack_keys = work.ack_keys()
        if not (ack_keys or work.rejections):
            self._run.acknowledged(work, None)
            return
        counts = {telemetry.ACKNOWLEDGED: len(ack_keys), telemetry.REFUSED: len(work.rejections)}
        with work_span(telemetry.SPAN_ACKNOWLEDGE, counts):
            answer = await self._client.acknowledge(ack_keys, work.rejections)
        self._run.acknowledged(work, answer)

    async def _settle(self, work: PageWork, abort: BaseException) -> None:
        """Acknowledge what was handled before the run is aborted."""
        try:
            await self._acknowledge(work)
        except SyncError as error:
            abort.add_note(f"What was handled before could not be acknowledged and comes again: {error}")
