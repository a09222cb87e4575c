"""FetchQueue: the next page of a session, for clients that cannot hold a stream."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from syncline.data import metrics
from syncline.server.environment import Environment, now_us
from syncline.server.limits import FETCH_ATTEMPTS_MAX, PAGE_BYTES_MAX
from syncline.server.sync.page_spans import page_span
from syncline.server.sync.paging import PageCutter
from syncline.server.telemetry.instruments import counter
from syncline.storage.errors import FetchRaced
from syncline.storage.models import FetchProgress, QueueRead, Session
from syncline.v1 import queue_pb2

_ITEMS = counter(metrics.QUEUE_ITEMS)
_BY_FETCH: Final = {metrics.METHOD: "syncline.v1.SyncService/FetchQueue"}


async def fetch_queue(env: Environment, device_uuid: UUID, session_id: str, page_size: int) -> queue_pb2.QueuePage:
    """Take the session's next page; calls on other connections get others.

    Raises:
        SessionNotFound, SessionExpired: there is no such session to read.
        ResyncRequired: the device may not go on from where it is.
        FetchRaced: other calls came first too many times.
    """
    for attempt in range(1, FETCH_ATTEMPTS_MAX + 1):
        try:
            return await env.threads.run(_fetch, env, device_uuid, session_id, page_size)
        except FetchRaced:
            if attempt == FETCH_ATTEMPTS_MAX:
                raise
    raise AssertionError("unreachable")


def _fetch(env: Environment, device_uuid: UUID, session_id: str, page_size: int) -> queue_pb2.QueuePage:
    now = now_us()
    session = env.store.get_session(env.account_id, device_uuid, session_id, now=now, expire_at=env.session_end(now))
    read = env.store.read_queue(
        env.account_id,
        device_uuid,
        session,
        session.fetched.cursors,
        max_items=page_size,
        max_bytes=min(PAGE_BYTES_MAX, env.settings.read_bytes),
        stream_id=None,
        redeliver_after=session.fetched.redelivered_after,
    )
    cutter = PageCutter(
        session,
        env.sealer(device_uuid),
        page_size=page_size,
        item_ack_keys=True,
        pages_before=session.fetched.pages,
        announced=session.fetched.cursors,
    )
    page = next(cutter.cut(read))
    with page_span(page):
        env.store.advance_fetch(
            env.account_id,
            device_uuid,
            session_id,
            expected_pages=session.fetched.pages,
            progress=_progress(session, read, page.message, cutter),
        )
    if page.message.count:
        _ITEMS.add(page.message.count, _BY_FETCH)
    return page.message


def _progress(session: Session, read: QueueRead, page: queue_pb2.QueuePage, cutter: PageCutter) -> FetchProgress:
    """Where the next page begins. Refused items come first, on pages of their own."""
    given_again = sum(len(segment.frames) for segment in page.segments if segment.redelivered)
    last = read.redelivered[given_again - 1].item if given_again else None
    return FetchProgress(
        pages=session.fetched.pages + 1,
        cursors=cutter.announced,
        redelivered_after=(last.object_type, last.key) if last else None,
    )
