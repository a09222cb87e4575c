"""Requests of SyncService: checked, and turned into storage's models."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from syncline.server import limits, tokens
from syncline.server.sync.list_conflicts import ConflictPage, ConflictQuery
from syncline.server.sync.read_queue import ReadQueue
from syncline.server.sync.reconcile import AskedRange, Reconciliation
from syncline.server.token_keys import Sealer
from syncline.server.violations import Violations
from syncline.storage.models import Feed, KeyRange, OpenQueue, Refusal, Told
from syncline.v1 import queue_pb2, sync_service_pb2, upload_pb2

_REVISION_MAX = (1 << 63) - 1
_HASH_BYTES = 16


def open_queue(request: sync_service_pb2.StartSessionRequest, sealer: Sealer, *, now: int, expire_at: int) -> OpenQueue:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    if found.count("scopes", len(request.scopes), limits.SCOPES_MAX):
        for index, scope in enumerate(request.scopes):
            found.text(f"scopes[{index}]", scope, limits.SCOPE_CHARS_MAX, required=True)
    buckets = _buckets(request.filters, found)
    told = _told(request.positions, sealer, found)
    refused = _refusals("refused", request.refused, found)
    for name in ("name", "version", "platform"):
        found.text(f"client.{name}", getattr(request.client, name), limits.CLIENT_INFO_CHARS_MAX)
    found.raise_if_any()
    client = (request.client.name, request.client.version, request.client.platform)
    return OpenQueue(
        scopes=tuple(dict.fromkeys(request.scopes)),
        buckets=buckets,
        told=told,
        refused=refused,
        full_resync=request.full_resync,
        always=request.always,
        client=" ".join(part for part in client if part),
        now=now,
        expire_at=expire_at,
    )


def read_queue(request: sync_service_pb2.ReadQueueRequest) -> ReadQueue:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    return ReadQueue(
        session_id=request.session_id,
        page_size=session_page_size(request),
        follow=request.follow,
        item_ack_keys=request.item_ack_keys,
    )


def session_page_size(request: sync_service_pb2.ReadQueueRequest | sync_service_pb2.FetchQueueRequest) -> int:
    """Check the session id and the page size; answer the latter. Raise `InvalidRequest`."""
    found = Violations()
    found.text("session_id", request.session_id, limits.SESSION_ID_CHARS_MAX, required=True)
    size = found.page_size(request, limits.PAGE_SIZE_DEFAULT, limits.PAGE_SIZE_MAX)
    found.raise_if_any()
    return size


def acknowledgements(request: sync_service_pb2.AcknowledgeRequest) -> tuple[list[str], tuple[Refusal, ...]]:
    """The keys, not yet decoded, and the refusals. Raise `InvalidRequest` if a field breaks its rule."""
    found = Violations()
    if found.count("ack_keys", len(request.ack_keys), limits.ACK_KEYS_MAX):
        for index, key in enumerate(request.ack_keys):
            if len(key) > limits.ACK_KEY_CHARS_MAX:
                found.text(f"ack_keys[{index}]", key, limits.ACK_KEY_CHARS_MAX)
    refusals = _refusals("rejections", request.rejections, found)
    found.raise_if_any()
    return list(request.ack_keys), refusals


def conflict_page(request: upload_pb2.ListConflictsRequest, device_uuid: UUID, sealer: Sealer) -> ConflictPage:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    found.text("object_type", request.object_type, limits.OBJECT_TYPE_CHARS_MAX)
    found.text("key", request.key, limits.RECORD_KEY_CHARS_MAX)
    if request.HasField("key") and not request.object_type:
        found.add("object_type", "must be given with a key")
    size = found.page_size(request, limits.CONFLICTS_PAGE_DEFAULT, limits.CONFLICTS_PAGE_MAX)
    query = ConflictQuery(
        device_uuid=device_uuid,
        all_devices=request.all_devices,
        object_type=request.object_type or None,
        key=request.key if request.HasField("key") else None,
    )
    before_id = None
    if request.page_token:
        before_id = tokens.decode_conflicts_page(sealer, request.page_token, query.digest())
        if before_id is None:
            found.add("page_token", "must be as the answer before gave it, with the other fields the same")
    found.raise_if_any()
    return ConflictPage(query, before_id, size)


def reconciliation(request: upload_pb2.ReconcileRequest) -> Reconciliation:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    found.text("object_type", request.object_type, limits.OBJECT_TYPE_CHARS_MAX, required=True)
    found.text("bucket", request.bucket, limits.BUCKET_CHARS_MAX)
    if request.known_revision < 0:
        found.add("known_revision", "must not be negative")
    if found.count("ranges", len(request.ranges), limits.RANGES_MAX):
        for index, asked in enumerate(request.ranges):
            found.text(f"ranges[{index}].after_key", asked.after_key, limits.RECORD_KEY_CHARS_MAX)
            found.text(f"ranges[{index}].through_key", asked.through_key, limits.RECORD_KEY_CHARS_MAX)
            if len(asked.digest) != _HASH_BYTES:
                found.add(f"ranges[{index}].digest", f"must have {_HASH_BYTES} bytes, not {len(asked.digest)}")
    if found.count("keys", len(request.keys), limits.RECONCILE_KEYS_MAX):
        for index, key in enumerate(request.keys):
            found.text(f"keys[{index}]", key, limits.RECORD_KEY_CHARS_MAX, required=True)
    found.raise_if_any()
    return Reconciliation(
        object_type=request.object_type,
        bucket=request.bucket,
        known_revision=request.known_revision,
        ranges=tuple(map(_asked_range, request.ranges)),
        keys=tuple(dict.fromkeys(request.keys)),
    )


def _asked_range(asked: upload_pb2.KeyRange) -> AskedRange:
    after = asked.after_key if asked.HasField("after_key") else None
    through = asked.through_key if asked.HasField("through_key") else None
    return AskedRange(KeyRange(after, through), asked.digest)


def _buckets(filters: Iterable[sync_service_pb2.FeedFilter], found: Violations) -> dict[str, frozenset[str]]:
    filters = list(filters)
    wanted: dict[str, frozenset[str]] = {}
    if not found.count("filters", len(filters), limits.FILTERS_MAX):
        return wanted
    for index, feed_filter in enumerate(filters):
        path = f"filters[{index}]"
        found.text(f"{path}.scope", feed_filter.scope, limits.SCOPE_CHARS_MAX, required=True)
        if feed_filter.scope in wanted:
            found.add(f"{path}.scope", f"the scope {feed_filter.scope!r} has a filter already")
        if found.count(f"{path}.buckets", len(feed_filter.buckets), limits.FILTER_BUCKETS_MAX):
            for number, bucket in enumerate(feed_filter.buckets):
                found.text(f"{path}.buckets[{number}]", bucket, limits.BUCKET_CHARS_MAX)
        wanted[feed_filter.scope] = frozenset(feed_filter.buckets)
    return wanted


def _told(positions: Iterable[queue_pb2.FeedPosition], sealer: Sealer, found: Violations) -> tuple[Told, ...]:
    positions = list(positions)
    told: dict[Feed, Told] = {}
    if not found.count("positions", len(positions), limits.POSITIONS_MAX):
        return ()
    for index, position in enumerate(positions):
        path = f"positions[{index}]"
        found.text(f"{path}.scope", position.scope, limits.SCOPE_CHARS_MAX, required=True)
        found.text(f"{path}.bucket", position.bucket, limits.BUCKET_CHARS_MAX)
        feed = Feed(position.scope, position.bucket)
        if feed in told:
            found.add(path, "the feed has a position already")
        token = tokens.decode_position(sealer, feed, position.position)
        if token is None:
            found.add(f"{path}.position", "must be a position as a page or StartSession gave it")
        else:
            told[feed] = token
    return tuple(told.values())


def _refusals(field: str, rejections: Iterable[sync_service_pb2.Rejection], found: Violations) -> tuple[Refusal, ...]:
    rejections = list(rejections)
    if not found.count(field, len(rejections), limits.REJECTIONS_MAX):
        return ()
    for index, rejection in enumerate(rejections):
        path = f"{field}[{index}]"
        found.text(f"{path}.object_type", rejection.object_type, limits.OBJECT_TYPE_CHARS_MAX, required=True)
        found.text(f"{path}.key", rejection.key, limits.RECORD_KEY_CHARS_MAX)
        if not 1 <= rejection.revision <= _REVISION_MAX:
            found.add(f"{path}.revision", "must be the revision of the item, above 0")
        if "\0" in rejection.reason:
            found.add(f"{path}.reason", "must not contain a NUL character")
    return tuple(
        Refusal(rejection.object_type, rejection.key, rejection.revision, rejection.reason[: limits.REASON_CHARS_MAX])
        for rejection in rejections
    )
