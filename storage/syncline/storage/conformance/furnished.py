"""An account with something of everything, what it is made of, and how all of it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from syncline.storage.api_key_models import ApiKey
from syncline.storage.audit_models import Act, AuditFilter, AuditPlace
from syncline.storage.conformance.api_keys import api_key
from syncline.storage.conformance.batches_of_parents import ask_batch
from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.schedules import planned
from syncline.storage.conformance.tenant import HOUR, NOTES, NOW, SCOPES, Tenant
from syncline.storage.conformance.uploader import Uploader, note
from syncline.storage.contract import Store
from syncline.storage.identity import random_id
from syncline.storage.models import AckInterval, Refusal, Session
from syncline.storage.request_models import (
    EXTERNAL_CONNECTOR,
    Detail,
    Ending,
    Enrollment,
    Lease,
    RequestQuery,
    Severity,
)

ACT = Act(NOW, "ann", "jwt", "device.act", "a device")
PER_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Names:
    """What calls may name of an account: all of it is made anew for each."""

    key: str
    """Of a note that has been in two buckets."""
    refused_key: str
    """Of a note that the device refused."""
    bucket: str
    device_uuid: UUID
    session: Session
    epoch: int
    """Of the device's position in the feed of notes."""
    change_uuid: bytes
    api_key: ApiKey
    act: AuditPlace
    enrollment: Enrollment
    """It is due by its schedule."""
    idempotency_key: str
    failed_id: str
    """Of a sync request with a payload, details and counts."""
    parent_id: str
    waiting_id: str
    """Of a sync request for workers outside."""
    lease: Lease
    source_key: str
    """Of a row that the leased request brought."""


def furnish(tenant: Tenant, *, bucket: str) -> Names:
    """Fill a new account, always in the same steps."""
    store, account_id = tenant.store, tenant.account_id
    key, refused_key, source_key = (f"{kind} {uuid4().hex}" for kind in ("moved", "refused", "brought"))
    idempotency_key = uuid4().hex
    tenant.write(note(key, {"a": 1}), note(refused_key, {"a": 1}), note("gone", {"a": 1}))
    tenant.write(note(key, {"a": 2}, bucket=bucket))
    tenant.write(note(key, {"a": 3}, bucket=""))
    tenant.remove("gone")
    device_uuid = tenant.register("", bucket)
    session = tenant.session(device_uuid, always=True)
    position = next(entry.position for entry in session.feeds if entry.position.feed == (NOTES, ""))
    refused = Refusal("note", refused_key, store.get_records(account_id, "note", [refused_key])[0].revision, "no")
    told = [AckInterval(position.epoch, 0, tenant.head())]
    store.acknowledge(account_id, device_uuid, told, [], [refused], now=tenant.now())
    uploader = Uploader(tenant, device_uuid=device_uuid)
    change = uploader.update(key, {"a": (1, 5)})
    assert uploader.one(change).conflict is not None
    made_key = api_key(prefix=uuid4().hex)
    store.create_api_key(account_id, made_key, act=ACT)
    desk = Desk(tenant)
    enrollment = planned(desk, due_at=tenant.now() + HOUR)
    failed = desk.lease(idempotency_key=idempotency_key, payload=(b"chunk",), payload_kind="zip")
    desk.write(failed, row("of a file", {"a": 1}), details=(Detail(Severity.ERROR, "note", 1, "s", "f", "why", "v"),))
    desk.end(failed, Ending.FAILED)
    parent_id = str(uuid4())
    ask_batch(desk, parent_id, 1, 3, due_at=tenant.now() + HOUR)
    lease = desk.lease(enrollment_id=enrollment.enrollment_id, run_full_sync=True)
    desk.write(lease, row(source_key, {"a": 1}))
    waiting = desk.ask(enrollment_id=desk.enroll(connector=EXTERNAL_CONNECTOR))
    return Names(
        key=key,
        refused_key=refused_key,
        bucket=bucket,
        device_uuid=device_uuid,
        session=session,
        epoch=position.epoch,
        change_uuid=change.change_uuid,
        api_key=made_key,
        act=store.list_acts(account_id, AuditFilter(), before=None, limit=1)[0].place,
        enrollment=enrollment,
        idempotency_key=idempotency_key,
        failed_id=failed.request_id,
        parent_id=parent_id,
        waiting_id=waiting.request_id,
        lease=lease,
        source_key=source_key,
    )


def absent(names: Names, *, bucket: str) -> Names:
    """Names of the same kinds that no account has."""
    device_uuid, epoch = uuid4(), random_id()
    feeds = tuple(
        replace(entry, position=replace(entry.position, epoch=random_id(), grant_id=random_id(), load_id=random_id()))
        for entry in names.session.feeds
    )
    return Names(
        key=f"moved {uuid4().hex}",
        refused_key=f"refused {uuid4().hex}",
        bucket=bucket,
        device_uuid=device_uuid,
        session=replace(names.session, session_id=uuid4().hex, device_uuid=device_uuid, feeds=feeds),
        epoch=epoch,
        change_uuid=uuid4().bytes,
        api_key=replace(names.api_key, prefix=uuid4().hex),
        act=AuditPlace(names.act.happened_at, random_id()),
        enrollment=replace(names.enrollment, enrollment_id=str(uuid4())),
        idempotency_key=uuid4().hex,
        failed_id=str(uuid4()),
        parent_id=str(uuid4()),
        waiting_id=str(uuid4()),
        lease=replace(names.lease, request_id=str(uuid4()), token=random_id()),
        source_key=f"brought {uuid4().hex}",
    )


def picture(store: Store, account_id: str, names: Names) -> dict[str, object]:
    """How all of a furnished account stands, by what it is about."""
    devices = store.list_devices(account_id, after=None, limit=PER_PAGE)
    uuids = [device.device_uuid for device in devices]
    session = names.session
    requests = store.list_requests(account_id, RequestQuery())
    enrollment_id = names.enrollment.enrollment_id
    return {
        "head": store.get_head(account_id),
        "schema": store.read_schema(account_id),
        "records": [store.scan_records(account_id, name, after_key=None, limit=PER_PAGE) for name in SCOPES],
        "tombstones": store.get_records(account_id, "note", ["gone"]),
        "floors": [store.get_floor(account_id, NOTES, bucket) for bucket in ("", names.bucket)],
        "devices": devices,
        "reports": store.report_devices(account_id, after=None, limit=PER_PAGE),
        "grants": [store.list_grants(account_id, device_uuid) for device_uuid in uuids],
        "positions": [store.list_positions(account_id, device_uuid) for device_uuid in uuids],
        "rejections": [store.list_rejections(account_id, device_uuid) for device_uuid in uuids],
        "session": store.get_session(
            account_id, names.device_uuid, session.session_id, now=NOW, expire_at=session.expire_at
        ),
        "conflicts": store.list_conflicts(
            account_id,
            names.device_uuid,
            all_devices=True,
            object_type=None,
            key=None,
            before_id=None,
            limit=PER_PAGE,
        ),
        "delivery": store.read_delivery(account_id, names.device_uuid, "note", names.key),
        "API keys": store.list_api_keys(account_id),
        "acts": store.list_acts(account_id, AuditFilter(), before=None, limit=PER_PAGE),
        "enrollments": store.list_enrollments(account_id),
        "requests": requests,
        "details": [store.list_details(account_id, one.request_id, after=0, limit=PER_PAGE) for one in requests],
        "counts": [store.count_types(account_id, one.request_id) for one in requests],
        "payload": store.read_payload(account_id, names.failed_id, after=0),
        "sources": store.known_sources(account_id, enrollment_id, "note", [names.source_key]),
    }
