"""Builds the request messages; both clients send the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncline.client.errors import InvalidOption
from syncline.v1 import queue_pb2, sync_service_pb2


def start_session_request(
    *,
    client_info: sync_service_pb2.ClientInfo,
    scopes: Iterable[str],
    filters: Mapping[str, Iterable[str]] | None,
    positions: Iterable[queue_pb2.FeedPosition],
    refused: Iterable[sync_service_pb2.Rejection],
    full_resync: bool,
    always: bool,
) -> sync_service_pb2.StartSessionRequest:
    """A request of StartSession.

    Raises:
        InvalidOption: `scopes` is one string, which would be taken for its letters.
    """
    if isinstance(scopes, str):
        raise InvalidOption(f"scopes must be a list of names, such as [{scopes!r}]")
    return sync_service_pb2.StartSessionRequest(
        scopes=scopes,
        filters=[
            sync_service_pb2.FeedFilter(scope=scope, buckets=buckets) for scope, buckets in (filters or {}).items()
        ],
        positions=positions,
        refused=refused,
        full_resync=full_resync,
        always=always,
        client=client_info,
    )


def read_queue_request(
    session_id: str, *, page_size: int | None, follow: bool, item_ack_keys: bool
) -> sync_service_pb2.ReadQueueRequest:
    """A request of ReadQueue."""
    return sync_service_pb2.ReadQueueRequest(
        session_id=session_id, page_size=page_size, follow=follow, item_ack_keys=item_ack_keys
    )
