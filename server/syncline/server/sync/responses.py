"""Responses of SyncService, from storage's models."""

from __future__ import annotations

from syncline.server.convert_queue import checkpoint, failed_object, feed_position
from syncline.server.convert_time import timestamp
from syncline.server.limits import PAGE_SIZE_DEFAULT
from syncline.server.sync.acknowledge import Acknowledged
from syncline.server.sync.start_session import SessionStarted
from syncline.server.token_keys import Sealer
from syncline.server.tokens import store_epoch_text
from syncline.storage.models import Session
from syncline.v1 import sync_service_pb2


def session_started(started: SessionStarted, account_id: str, sealer: Sealer) -> sync_service_pb2.StartSessionResponse:
    """The session; or, if there is nothing new, the checkpoint at which the device stands."""
    opened = started.opened
    response = sync_service_pb2.StartSessionResponse(
        failed_objects=map(failed_object, opened.rejections),
        schema_version=started.schema_version,
        account=account_id,
        store_epoch=store_epoch_text(opened.head.store_epoch),
        next_change_seq=opened.next_change_seq,
        settled_through=opened.settled_through,
    )
    if opened.session is not None:
        response.session.CopyFrom(_session(opened.session))
    else:
        response.checkpoint.CopyFrom(checkpoint(opened.head))
        response.feeds.extend(
            feed_position(sealer, feed.position, opened.head.store_epoch, opened.head.revision) for feed in opened.feeds
        )
    return response


def acknowledged(outcome: Acknowledged) -> sync_service_pb2.AcknowledgeResponse:
    """What came of an Acknowledge."""
    return sync_service_pb2.AcknowledgeResponse(
        acknowledged=outcome.acknowledged,
        stale=outcome.stale,
        failed_objects=map(failed_object, outcome.rejections),
    )


def _session(session: Session) -> sync_service_pb2.Session:
    queue = sync_service_pb2.Queue(
        name="main",
        pages=-(-session.total_count // PAGE_SIZE_DEFAULT),
        total_count=session.total_count,
        total_count_is_estimate=session.total_is_estimate,
    )
    return sync_service_pb2.Session(id=session.session_id, queues=[queue], expire_time=timestamp(session.expire_at))
