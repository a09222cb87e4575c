"""The log of administrative acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from uuid import uuid4

import pytest

from syncline.storage.audit_models import Act, AuditFilter
from syncline.storage.conformance.account_walls import METHODS
from syncline.storage.conformance.api_keys import api_key
from syncline.storage.conformance.furnished import furnish, picture
from syncline.storage.conformance.request_desk import Desk
from syncline.storage.conformance.tenant import NOW, SECOND, Tenant, schema
from syncline.storage.contract import Store
from syncline.storage.errors import AccountNotFound, InvalidValue, RequestEnded, SchemaChanged
from syncline.storage.models import DeviceAccess

ACT = Act(NOW, "ann", "jwt", "device.disable", "a subject", {"why": "häßlich ☃"})
ALL = AuditFilter()


class AuditConformance:
    """`AuditStore`, and the calls that keep an act."""

    def test_acts_are_listed_the_newest_first(self, tenant: Tenant) -> None:
        for number in range(5):
            tenant.store.note_act(tenant.account_id, replace(ACT, happened_at=NOW + number // 2, subject=f"{number}"))
        listed = tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=100)
        assert [entry.act.happened_at - NOW for entry in listed] == [2, 1, 1, 0, 0]
        assert {entry.act.subject for entry in listed} == set("01234")
        assert listed[0].act == replace(ACT, happened_at=NOW + 2, subject="4")
        paged, before = [], None
        while page := tenant.store.list_acts(tenant.account_id, ALL, before=before, limit=2):
            paged += page
            before = page[-1].place
        assert paged == listed

    def test_acts_are_found_by_time_and_action(self, tenant: Tenant) -> None:
        for seconds, action in enumerate(("device.wipe", "device", "device.enable", "devices.x", "schema.apply")):
            tenant.store.note_act(tenant.account_id, replace(ACT, happened_at=NOW + seconds * SECOND, action=action))

        def found(wanted: AuditFilter) -> list[str]:
            entries = tenant.store.list_acts(tenant.account_id, wanted, before=None, limit=10)
            return [entry.act.action for entry in entries]

        assert found(AuditFilter(action="device.")) == ["device.enable", "device.wipe"]
        assert found(AuditFilter(action="device")) == ["device"]
        assert found(AuditFilter(since=NOW + 3 * SECOND)) == ["schema.apply", "devices.x"]
        assert found(AuditFilter(until=NOW + SECOND)) == ["device.wipe"]
        assert found(AuditFilter(since=NOW + SECOND, until=NOW + 4 * SECOND, action="device.")) == ["device.enable"]

    def test_old_acts_are_forgotten(self, tenant: Tenant) -> None:
        for seconds in range(3):
            tenant.store.note_act(tenant.account_id, replace(ACT, happened_at=NOW + seconds * SECOND))
        assert tenant.store.forget_acts(tenant.account_id, happened_before=NOW + 2 * SECOND) == 2
        (left,) = tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=10)
        assert left.act.happened_at == NOW + 2 * SECOND

    def test_g9_acts_are_those_of_their_account(self, tenant: Tenant) -> None:
        other = Tenant(tenant.store)
        tenant.store.note_act(tenant.account_id, ACT)
        assert other.store.list_acts(other.account_id, ALL, before=None, limit=10) == []
        assert other.store.forget_acts(other.account_id, happened_before=NOW * 2) == 0
        assert len(tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=10)) == 1
        with pytest.raises(AccountNotFound):
            tenant.store.note_act("nobody", ACT)

    @pytest.mark.parametrize("bad", ["a\0b", "\ud800"], ids=["NUL", "surrogate"])
    def test_what_is_done_with_an_act_that_cannot_be_kept_is_refused(self, tenant: Tenant, bad: str) -> None:
        names, desk = furnish(tenant, bucket="north"), Desk(tenant)
        store, account_id = tenant.store, tenant.account_id
        act, enrollment = replace(ACT, details={"why": bad}), names.enrollment
        this, fresh = (account_id, names.device_uuid), replace(enrollment, enrollment_id="new", name="new")
        calls: dict[str, Callable[[], object]] = {
            "note_act": lambda: store.note_act(account_id, act),
            "create_account": lambda: store.create_account(uuid4().hex, act=act),
            "renew_store_epoch": lambda: store.renew_store_epoch(account_id, act=act),
            "write_schema": lambda: store.write_schema(account_id, schema(), expected_version=1, act=act),
            "create_api_key": lambda: store.create_api_key(account_id, api_key(), act=act),
            "revoke_api_key": lambda: store.revoke_api_key(account_id, names.api_key.prefix, now=NOW, act=act),
            "set_access": lambda: store.set_access(*this, DeviceAccess.DISABLED, act=act),
            "confirm_wipe": lambda: store.confirm_wipe(*this, act=act),
            "forget_device": lambda: store.forget_device(*this, act=act),
            "put_back": lambda: store.put_back(*this, [("note", names.refused_key)], act=act),
            "put_enrollment": lambda: store.put_enrollment(account_id, fresh, expected_modified_at=None, act=act),
            "remove_enrollment": lambda: store.remove_enrollment(account_id, enrollment.enrollment_id, act=act),
            "create_request": lambda: store.create_request(account_id, desk.new(), now=NOW, act=act),
            "cancel_request": lambda: store.cancel_request(account_id, names.waiting_id, by="b", now=NOW, act=act),
        }
        assert calls.keys() == {name for name, method in METHODS.items() if "act" in signature(method).parameters}
        before = picture(store, account_id, names)
        for name, call in calls.items():
            with pytest.raises(InvalidValue):
                call()
            assert picture(store, account_id, names) == before, name

    def test_an_act_is_kept_with_what_it_does_and_only_then(self, tenant: Tenant) -> None:
        act = replace(ACT, action="schema.apply")
        with pytest.raises(SchemaChanged):
            tenant.store.write_schema(tenant.account_id, schema(), expected_version=7, act=act)
        assert tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=10) == []
        tenant.store.write_schema(tenant.account_id, schema(), expected_version=1, act=act)
        (entry,) = tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=10)
        assert entry.act == act

    def test_the_making_of_an_account_is_kept_once(self, tenant: Tenant) -> None:
        account_id = uuid4().hex
        for number in range(2):
            tenant.store.create_account(account_id, act=replace(ACT, happened_at=NOW + number))
        assert _kept(tenant.store, account_id) == [ACT]

    def test_a_new_store_epoch_is_kept(self, tenant: Tenant) -> None:
        tenant.store.renew_store_epoch(tenant.account_id, act=ACT)
        assert _kept(tenant.store, tenant.account_id) == [ACT]

    def test_cancelling_is_kept_once_and_only_if_it_was_possible(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        ended = desk.end(desk.lease()).request_id
        running = desk.lease().request_id
        waiting = desk.ask().request_id
        for request_id in (running, waiting, running, waiting):
            act = replace(ACT, subject=request_id)
            tenant.store.cancel_request(tenant.account_id, request_id, by="ann", now=tenant.now(), act=act)
        with pytest.raises(RequestEnded):
            tenant.store.cancel_request(tenant.account_id, ended, by="ann", now=tenant.now(), act=ACT)
        assert sorted(act.subject for act in _kept(tenant.store, tenant.account_id)) == sorted([running, waiting])

    def test_the_making_of_a_request_is_kept_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        for new in (desk.new(idempotency_key="k"), desk.new(idempotency_key="k")):
            act = replace(ACT, subject=new.request_id)
            made = tenant.store.create_request(tenant.account_id, new, now=NOW, act=act)
        assert [act.subject for act in _kept(tenant.store, tenant.account_id)] == [made.request_id]


def _kept(store: Store, account_id: str) -> list[Act]:
    return [entry.act for entry in store.list_acts(account_id, ALL, before=None, limit=10)]
