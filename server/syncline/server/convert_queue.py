"""Storage's models of the queue as messages."""

from __future__ import annotations

from syncline.server import tokens
from syncline.server.token_keys import Sealer
from syncline.storage.models import Head, Position, Rejection
from syncline.v1 import queue_pb2


def feed_position(sealer: Sealer, position: Position, store_epoch: int, revision: int) -> queue_pb2.FeedPosition:
    """What the device stores once it has everything of the feed up to `revision`."""
    return queue_pb2.FeedPosition(
        scope=position.feed.scope,
        bucket=position.feed.bucket,
        load=tokens.load_text(position, store_epoch=store_epoch),
        position=tokens.encode_position(sealer, position, store_epoch=store_epoch, revision=revision),
    )


def checkpoint(head: Head) -> queue_pb2.Checkpoint:
    """The moment at which the device's copy equals the server's view at the head."""
    return queue_pb2.Checkpoint(head_revision=head.revision, store_epoch=tokens.store_epoch_text(head.store_epoch))


def failed_object(rejection: Rejection) -> queue_pb2.FailedObject:
    """An item that the device lacks because it refused it."""
    states = queue_pb2.FailedObject.State
    return queue_pb2.FailedObject(
        object_type=rejection.object_type,
        key=rejection.key,
        revision=rejection.revision,
        reason=rejection.reason,
        state=states.STATE_PARKED if rejection.parked else states.STATE_WAITING,
        rejections=rejection.count,
    )
