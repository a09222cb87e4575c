"""Builds the request messages; both clients send the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from syncline.client.errors import InvalidOption
from syncline.v1 import queue_pb2, sync_service_pb2, upload_pb2

P = ParamSpec("P")
T = TypeVar("T")


def checked(make: Callable[P, T]) -> Callable[P, T]:
    """Let what no message can hold, such as a lone surrogate or a number of 65 bits, be an `InvalidOption`."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return make(*args, **kwargs)
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidOption):
                raise
            raise InvalidOption(f"an argument cannot be sent: {error}") from error

    return made


@checked
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


@checked
def read_queue_request(
    session_id: str, *, page_size: int | None, follow: bool, item_ack_keys: bool
) -> sync_service_pb2.ReadQueueRequest:
    """A request of ReadQueue."""
    return sync_service_pb2.ReadQueueRequest(
        session_id=session_id, page_size=page_size, follow=follow, item_ack_keys=item_ack_keys
    )


@checked
def fetch_queue_request(session_id: str, *, page_size: int | None) -> sync_service_pb2.FetchQueueRequest:
    """A request of FetchQueue."""
    return sync_service_pb2.FetchQueueRequest(session_id=session_id, page_size=page_size)


@checked
def acknowledge_request(
    ack_keys: Iterable[str], rejections: Iterable[sync_service_pb2.Rejection]
) -> sync_service_pb2.AcknowledgeRequest:
    """A request of Acknowledge."""
    return sync_service_pb2.AcknowledgeRequest(ack_keys=ack_keys, rejections=rejections)


@checked
def upload_request(
    changes: Sequence[upload_pb2.Change], *, settled_through: int, store_epoch: str
) -> upload_pb2.UploadRequest:
    """A message of Upload."""
    return upload_pb2.UploadRequest(store_epoch=store_epoch, settled_through=settled_through, changes=changes)


@checked
def list_conflicts_request(
    *, all_devices: bool, object_type: str, key: str | None, page_size: int | None
) -> upload_pb2.ListConflictsRequest:
    """A request of ListConflicts for the first page."""
    return upload_pb2.ListConflictsRequest(
        all_devices=all_devices, object_type=object_type, key=key, page_size=page_size
    )


@checked
def get_schema_request(known_version: int) -> sync_service_pb2.GetSchemaRequest:
    """A request of GetSchema."""
    return sync_service_pb2.GetSchemaRequest(known_version=known_version)


@checked
def client_info_message(name: str, version: str, platform: str) -> sync_service_pb2.ClientInfo:
    """What a client says of itself."""
    return sync_service_pb2.ClientInfo(name=name, version=version, platform=platform)
