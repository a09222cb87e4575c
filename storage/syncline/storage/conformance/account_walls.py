"""Every call that keeps to an account, with the names of another one (G9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from inspect import getmembers, isfunction, signature
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import pytest

from syncline.storage.audit_models import AuditFilter
from syncline.storage.conformance.api_keys import api_key
from syncline.storage.conformance.furnished import ACT, PER_PAGE, Names, absent, furnish, picture
from syncline.storage.conformance.request_desk import ANY_NUMBER, FAILURES_MAX, LEASE_US, Desk, FieldWriter, batch, row
from syncline.storage.conformance.tenant import HOUR, NOTES, NOW, Tenant, opening, schema
from syncline.storage.conformance.uploader import Uploader, note
from syncline.storage.contract import Store
from syncline.storage.errors import AccountNotFound, InvalidValue, StoreError
from syncline.storage.filters import Comparison, Operator
from syncline.storage.identity import item_digest
from syncline.storage.models import AckInterval, AckRedelivered, DeviceAccess, FetchProgress, KeyRange, Refusal
from syncline.storage.request_models import Ending, Lease, RequestQuery

LATER = NOW + 1000 * HOUR
FIRST_PAGE = FetchProgress(pages=1, cursors={}, redelivered_after=None)


class Visit(NamedTuple):
    """A call of one account that names things."""

    store: Store
    account_id: str
    """Whose call it is."""
    desk: Desk
    home: Names
    """What is the caller's."""
    named: Names
    """What is not."""

    @property
    def lease(self) -> Lease:
        """The named lease, as if it were the account's."""
        return replace(self.named.lease, account_id=self.account_id)

    def ask(self, **changes: Any) -> object:
        """Make a request; the changes are fields of `NewRequest`."""
        return self.store.create_request(self.account_id, self.desk.new(**changes), now=NOW)

    def upload(self) -> object:
        """Create, change and delete what is named."""
        uploader = Uploader(self.desk.tenant, device_uuid=self.home.device_uuid)
        known = self.store.get_device(self.account_id, self.home.device_uuid)
        uploader.next_seq = known.next_change_seq
        named = self.named
        changes = (
            uploader.update(named.key, {"a": (1, 2)}),
            uploader.delete(named.refused_key, {"a": 1}),
            uploader.insert(named.key, {"a": 9}, change_uuid=named.change_uuid),
        )
        sent = uploader.batch(*changes)
        return self.store.upload(self.account_id, self.home.device_uuid, sent, uploader.judge)

    def read(self, device_uuid: UUID) -> object:
        """Read on in the named session."""
        session, limits = self.named.session, {"max_items": 10, "max_bytes": 1000}
        return self.store.read_queue(
            self.account_id, device_uuid, session, {}, stream_id=None, redeliver_after=("", ""), **limits
        )

    def acknowledge(self, device_uuid: UUID) -> object:
        """Acknowledge what is named."""
        named = self.named
        again = AckRedelivered(item_digest("note", named.refused_key), 1 << 40)
        refusal = Refusal("note", named.key, 1, "")
        told = AckInterval(named.epoch, 0, 1 << 40)
        return self.store.acknowledge(self.account_id, device_uuid, [told], [again], [refusal], now=NOW)


METHODS: Final = {name: method for name, method in getmembers(Store, isfunction) if not name.startswith("_")}
"""Of a store."""

Call = Callable[[Visit], object]

CALLS: Final[Mapping[str, Sequence[Call]]] = MappingProxyType(
    {
        "create_account": [lambda v: v.store.create_account(v.account_id)],
        "get_head": [lambda v: v.store.get_head(v.account_id)],
        "read_schema": [lambda v: v.store.read_schema(v.account_id)],
        "get_records": [
            lambda v: v.store.get_records(v.account_id, "note", [v.named.key]),
            lambda v: v.store.get_records(v.account_id, "note", [v.named.source_key]),
        ],
        "scan_records": [lambda v: v.store.scan_records(v.account_id, "note", after_key=None, limit=PER_PAGE)],
        "count_records": [lambda v: v.store.count_records(v.account_id)],
        "get_device": [lambda v: v.store.get_device(v.account_id, v.named.device_uuid)],
        "list_devices": [lambda v: v.store.list_devices(v.account_id, after=None, limit=PER_PAGE)],
        "count_devices": [lambda v: v.store.count_devices(v.account_id)],
        "report_device": [lambda v: v.store.report_device(v.account_id, v.named.device_uuid)],
        "report_devices": [lambda v: v.store.report_devices(v.account_id, after=None, limit=PER_PAGE)],
        "set_access": [lambda v: v.store.set_access(v.account_id, v.named.device_uuid, DeviceAccess.DISABLED, act=ACT)],
        "confirm_wipe": [lambda v: v.store.confirm_wipe(v.account_id, v.named.device_uuid, act=ACT)],
        "forget_device": [lambda v: v.store.forget_device(v.account_id, v.named.device_uuid, act=ACT)],
        "touch_device": [lambda v: v.store.touch_device(v.account_id, v.named.device_uuid, now=LATER)],
        "open_stream": [lambda v: v.store.open_stream(v.account_id, v.named.device_uuid, stream_id=1)],
        "grant_buckets": [
            lambda v: v.store.grant_buckets(v.account_id, v.named.device_uuid, ["new"]),
            lambda v: v.store.grant_buckets(v.account_id, v.home.device_uuid, [v.named.bucket]),
        ],
        "list_grants": [lambda v: v.store.list_grants(v.account_id, v.named.device_uuid)],
        "open_queue": [
            lambda v: v.store.open_queue(v.account_id, v.named.device_uuid, opening(always=True)),
            lambda v: v.store.open_queue(
                v.account_id, v.home.device_uuid, opening(refused=(Refusal("note", v.named.key, 1, ""),))
            ),
        ],
        "revoke_buckets": [
            lambda v: v.store.revoke_buckets(v.account_id, v.named.device_uuid, [""]),
            lambda v: v.store.revoke_buckets(v.account_id, v.home.device_uuid, [v.named.bucket]),
        ],
        "get_session": [
            lambda v: v.store.get_session(
                v.account_id, v.home.device_uuid, v.named.session.session_id, now=NOW, expire_at=LATER
            ),
            lambda v: v.store.get_session(
                v.account_id, v.named.device_uuid, v.named.session.session_id, now=NOW, expire_at=LATER
            ),
        ],
        "read_queue": [lambda v: v.read(v.home.device_uuid), lambda v: v.read(v.named.device_uuid)],
        "advance_fetch": [
            lambda v: v.store.advance_fetch(
                v.account_id, v.home.device_uuid, v.named.session.session_id, expected_pages=0, progress=FIRST_PAGE
            ),
            lambda v: v.store.advance_fetch(
                v.account_id, v.named.device_uuid, v.named.session.session_id, expected_pages=0, progress=FIRST_PAGE
            ),
        ],
        "acknowledge": [
            lambda v: v.acknowledge(v.home.device_uuid),
            lambda v: v.acknowledge(v.named.device_uuid),
        ],
        "list_positions": [lambda v: v.store.list_positions(v.account_id, v.named.device_uuid)],
        "list_rejections": [lambda v: v.store.list_rejections(v.account_id, v.named.device_uuid)],
        "put_back": [
            lambda v: v.store.put_back(v.account_id, v.named.device_uuid, [("note", v.named.refused_key)]),
            lambda v: v.store.put_back(v.account_id, v.home.device_uuid, [("note", v.named.refused_key)]),
        ],
        "open_upload": [lambda v: v.store.open_upload(v.account_id, v.named.device_uuid, stream_id=1)],
        "list_conflicts": [
            lambda v: v.store.list_conflicts(
                v.account_id,
                v.named.device_uuid,
                all_devices=True,
                object_type=None,
                key=None,
                before_id=None,
                limit=PER_PAGE,
            ),
            lambda v: v.store.list_conflicts(
                v.account_id,
                v.home.device_uuid,
                all_devices=True,
                object_type="note",
                key=v.named.key,
                before_id=None,
                limit=PER_PAGE,
            ),
        ],
        "read_ranges": [
            lambda v: v.store.read_ranges(
                v.account_id,
                v.named.device_uuid,
                "note",
                "",
                [KeyRange(None, None)],
                known_revision=0,
                limit=PER_PAGE,
            ),
            lambda v: v.store.read_ranges(
                v.account_id,
                v.home.device_uuid,
                "note",
                v.named.bucket,
                [KeyRange(None, None)],
                known_revision=0,
                limit=PER_PAGE,
            ),
        ],
        "read_delivery": [
            lambda v: v.store.read_delivery(v.account_id, v.named.device_uuid, "note", v.named.key),
            lambda v: v.store.read_delivery(v.account_id, v.home.device_uuid, "note", v.named.source_key),
        ],
        "list_api_keys": [lambda v: v.store.list_api_keys(v.account_id)],
        "create_api_key": [lambda v: v.store.create_api_key(v.account_id, api_key(), act=ACT)],
        "revoke_api_key": [lambda v: v.store.revoke_api_key(v.account_id, v.named.api_key.prefix, now=NOW, act=ACT)],
        "note_api_key_use": [lambda v: v.store.note_api_key_use(v.account_id, v.named.api_key.prefix, now=NOW)],
        "note_act": [lambda v: v.store.note_act(v.account_id, ACT)],
        "list_acts": [
            lambda v: v.store.list_acts(
                v.account_id, AuditFilter(), before=v.named.act._replace(happened_at=NOW + 1), limit=PER_PAGE
            )
        ],
        "forget_acts": [lambda v: v.store.forget_acts(v.account_id, happened_before=LATER)],
        "get_enrollment": [lambda v: v.store.get_enrollment(v.account_id, v.named.enrollment.enrollment_id)],
        "list_enrollments": [lambda v: v.store.list_enrollments(v.account_id)],
        "remove_enrollment": [
            lambda v: v.store.remove_enrollment(v.account_id, v.named.enrollment.enrollment_id, act=ACT)
        ],
        "run_schedule": [
            lambda v: v.store.run_schedule(
                v.account_id,
                v.named.enrollment,
                next_run_at=LATER,
                new=v.desk.new(enrollment_id=v.named.enrollment.enrollment_id),
                now=LATER,
            )
        ],
        "get_request": [
            lambda v: v.store.get_request(v.account_id, v.named.failed_id),
            lambda v: v.store.get_request(v.account_id, v.named.parent_id),
        ],
        "list_requests": [
            lambda v: v.store.list_requests(
                v.account_id,
                RequestQuery(filter=Comparison("request_id", Operator.EQUAL, (v.named.failed_id,))),
            )
        ],
        "last_runs": [lambda v: v.store.last_runs(v.account_id, [v.named.enrollment.enrollment_id])],
        "list_details": [lambda v: v.store.list_details(v.account_id, v.named.failed_id, after=0, limit=PER_PAGE)],
        "count_types": [lambda v: v.store.count_types(v.account_id, v.named.failed_id)],
        "read_payload": [lambda v: v.store.read_payload(v.account_id, v.named.failed_id, after=0)],
        "known_sources": [
            lambda v: v.store.known_sources(
                v.account_id, v.named.enrollment.enrollment_id, "note", [v.named.source_key]
            ),
            lambda v: v.store.known_sources(
                v.account_id, v.home.enrollment.enrollment_id, "note", [v.named.source_key]
            ),
        ],
        "cancel_request": [
            lambda v: v.store.cancel_request(v.account_id, v.named.waiting_id, by="b", now=NOW),
            lambda v: v.store.cancel_request(v.account_id, v.named.parent_id, by="b", now=NOW),
        ],
        "claim_request": [
            lambda v: v.store.claim_request(
                worker="b", limits=ANY_NUMBER, lease_us=LEASE_US, now=LATER, external_of=v.account_id
            )
        ],
        "renew_lease": [lambda v: v.store.renew_lease(v.lease, lease_us=LEASE_US, now=LATER)],
        "write_batch": [
            lambda v: v.store.write_batch(
                v.lease, batch(row(v.named.source_key, {"a": 7}), number=2), FieldWriter(), lease_us=LEASE_US
            )
        ],
        "count_unseen": [lambda v: v.store.count_unseen(v.lease, ["note"])],
        "sweep_unseen": [
            lambda v: v.store.sweep_unseen(v.lease, ["note"], limit=PER_PAGE, lease_us=LEASE_US, now=LATER)
        ],
        "end_request": [
            lambda v: v.store.end_request(
                v.lease, Ending.FAILED, message="", due_at=NOW, failures_max=FAILURES_MAX, now=NOW
            )
        ],
        "create_request": [
            lambda v: v.ask(enrollment_id=v.named.enrollment.enrollment_id),
            lambda v: v.ask(retry_of=v.named.failed_id),
            lambda v: v.ask(idempotency_key=v.named.idempotency_key, payload_hash=b"another"),
            lambda v: v.ask(parent_id=v.named.parent_id, current_batch=1, total_batches=2),
            lambda v: v.ask(request_id=v.named.failed_id),
        ],
        "put_enrollment": [
            lambda v: v.store.put_enrollment(
                v.account_id,
                replace(v.named.enrollment, settings="{}"),
                expected_modified_at=v.named.enrollment.modified_at,
            ),
            lambda v: v.store.put_enrollment(
                v.account_id, replace(v.named.enrollment, name="theirs"), expected_modified_at=None
            ),
        ],
        "write_records": [
            lambda v: v.store.write_records(
                v.account_id, [note(v.named.key, {"a": 8}), note(v.named.refused_key, {"a": 8})]
            )
        ],
        "upload": [Visit.upload],
        "register_device": [lambda v: v.store.register_device(v.account_id, v.named.device_uuid, now=NOW)],
        "get_floor": [lambda v: v.store.get_floor(v.account_id, NOTES, v.named.bucket)],
        "collect": [lambda v: v.store.collect(v.account_id, devices_seen_before=LATER, now=LATER)],
        "collect_payloads": [lambda v: v.store.collect_payloads(v.account_id, ended_before=LATER, limit=PER_PAGE)],
        "collect_requests": [lambda v: v.store.collect_requests(v.account_id, ended_before=LATER, limit=PER_PAGE)],
        "write_schema": [lambda v: v.store.write_schema(v.account_id, schema({"other": "s"}), expected_version=1)],
        "renew_store_epoch": [lambda v: v.store.renew_store_epoch(v.account_id)],
    }
)
"""Calls of every method that keeps to an account; what changes much of it comes last."""

CROSSING: Final = frozenset(
    {
        "list_accounts",
        "find_api_key",
        "due_schedules",
        "promote_requests",
        "next_due",
        "read_statistics",
        "read_clock",
        "list_server_secrets",
        "add_server_secret",
        "remove_server_secret",
        "check_version",
        "close",
    }
)
"""Methods that are of no account."""


def outcome(call: Call, visit: Visit) -> object:
    """What the caller sees, as far as it does not only stand for the names."""
    try:
        return blurred(call(visit))
    except StoreError as error:
        return type(error).__name__, blurred(str(error)), blurred(vars(error))


_RANDOM_NAME = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def blurred(value: object) -> object:
    """The value without what is random in it."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, [(field.name, blurred(getattr(value, field.name))) for field in fields(value)]
    if isinstance(value, str):
        return _RANDOM_NAME.sub("NAME", value)
    if isinstance(value, UUID) or (isinstance(value, bytes) and len(value) == 16):
        return UUID
    if isinstance(value, int) and not isinstance(value, Enum):
        is_count, is_time = value < 1 << 40, NOW <= value <= LATER + HOUR
        return value if is_count or is_time else "random"
    if isinstance(value, Mapping):
        return sorted(((blurred(name), blurred(kept)) for name, kept in value.items()), key=repr)
    if isinstance(value, frozenset):
        return sorted(map(blurred, value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [blurred(one) for one in value]
    return value


class AccountWallConformance:
    """What is another account's is as what is not there."""

    def test_g9_what_is_another_account_s_is_as_what_is_not_there(self, tenant: Tenant) -> None:
        store, theirs = tenant.store, tenant
        other = [Tenant(store) for _ in range(2)]
        # What is listed by bucket then has the caller's own one first, whichever the other one is.
        their_bucket, no_bucket = (f"their {uuid4().hex}" for _ in range(2))
        their_names = furnish(theirs, bucket=their_bucket)
        homes = [furnish(tenant, bucket="home") for tenant in other]
        named = (their_names, absent(their_names, bucket=no_bucket))
        foreign, missing = (
            Visit(store, tenant.account_id, Desk(tenant), home, names)
            for tenant, home, names in zip(other, homes, named, strict=True)
        )
        before = picture(store, theirs.account_id, their_names)
        for method, calls in CALLS.items():
            for place, call in enumerate(calls):
                assert (method, place, outcome(call, foreign)) == (method, place, outcome(call, missing))
        after = picture(store, theirs.account_id, their_names)
        assert [part for part in before if before[part] != after[part]] == []
        store.renew_lease(their_names.lease, lease_us=LEASE_US, now=NOW)

    @pytest.mark.parametrize(
        ("account_id", "error"),
        [("nobody's", AccountNotFound), ("a\0b", InvalidValue), ("\ud800", InvalidValue)],
        ids=["absent", "NUL", "surrogate"],
    )
    def test_no_call_works_in_an_account_that_is_not_there(
        self, tenant: Tenant, account_id: str, error: type[StoreError]
    ) -> None:
        names = furnish(tenant, bucket="north")
        visit = Visit(tenant.store, account_id, Desk(tenant), names, names)
        for method, calls in CALLS.items():
            if method == "create_account" and error is AccountNotFound:
                continue
            for place, call in enumerate(calls):
                told = outcome(call, visit)
                refused_by = told[0] if isinstance(told, tuple) else None
                assert (method, place, refused_by) == (method, place, error.__name__)

    def test_every_call_that_keeps_to_an_account_is_tried(self) -> None:
        assert CALLS.keys() | CROSSING == METHODS.keys()
        for name in CROSSING:
            assert not {"account_id", "lease"} & signature(METHODS[name]).parameters.keys(), name
