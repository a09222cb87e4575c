"""The log of administrative acts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.storage.audit_models import Act, AuditFilter
from syncline.storage.conformance.tenant import NOW, SECOND, Tenant, schema
from syncline.storage.errors import AccountNotFound, InvalidValue, SchemaChanged

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

    def test_an_act_that_cannot_be_kept_is_refused(self, tenant: Tenant) -> None:
        with pytest.raises(InvalidValue):
            tenant.store.note_act(tenant.account_id, replace(ACT, details={"why": "a\0b"}))

    def test_an_act_is_kept_with_what_it_does_and_only_then(self, tenant: Tenant) -> None:
        act = replace(ACT, action="schema.apply")
        with pytest.raises(SchemaChanged):
            tenant.store.write_schema(tenant.account_id, schema(), expected_version=7, act=act)
        assert tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=10) == []
        tenant.store.write_schema(tenant.account_id, schema(), expected_version=1, act=act)
        (entry,) = tenant.store.list_acts(tenant.account_id, ALL, before=None, limit=10)
        assert entry.act == act
