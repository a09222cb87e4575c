"""What people do to devices: let them in or not, have them wiped, forget them; and what they see of them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.storage.audit_models import Act, AuditFilter
from syncline.storage.conformance.reference_device import ReferenceDevice, refuse_everything
from syncline.storage.conformance.tenant import NOW, Tenant, numbered
from syncline.storage.conformance.uploader import Uploader
from syncline.storage.errors import DeviceDisabled, DeviceNotFound, DeviceWiped, StoreError, WipeNotAsked
from syncline.storage.models import DeviceAccess, DeviceState, KeyRange

ACT = Act(NOW, "ann", "jwt", "device.act", "the device")


def set_access(tenant: Tenant, device: ReferenceDevice, access: DeviceAccess, *, upload_first: bool = False) -> None:
    """Do it."""
    tenant.store.set_access(tenant.account_id, device.device_uuid, access, upload_first=upload_first, act=ACT)


def actions(tenant: Tenant) -> int:
    """How many acts were kept."""
    return len(tenant.store.list_acts(tenant.account_id, AuditFilter(), before=None, limit=100))


class ManagedDeviceConformance:
    """The half of `DeviceStore` that is for people."""

    def test_a_device_belongs_to_its_first_principal(self, tenant: Tenant) -> None:
        old, new = uuid4(), uuid4()
        register = tenant.store.register_device
        assert register(tenant.account_id, old, now=1).principal == ""
        assert register(tenant.account_id, old, now=2, principal="ann").principal == "ann"
        assert register(tenant.account_id, old, now=3, principal="bob").principal == "ann"
        assert register(tenant.account_id, new, now=3, principal="bob").principal == "bob"
        assert tenant.store.get_device(tenant.account_id, old).principal == "ann"

    @pytest.mark.parametrize(
        ("access", "refusal"),
        [
            (DeviceAccess.DISABLED, DeviceDisabled),
            (DeviceAccess.WIPING, DeviceWiped),
            (DeviceAccess.WIPED, DeviceWiped),
        ],
        ids=lambda one: one.value if isinstance(one, DeviceAccess) else one.__name__,
    )
    def test_every_call_of_a_device_that_is_not_enabled_is_refused(
        self, tenant: Tenant, access: DeviceAccess, refusal: type[StoreError]
    ) -> None:
        tenant.write(*numbered(3))
        device = tenant.device()
        device.start()
        session = tenant.session(device.device_uuid, always=True)
        uploader = Uploader(tenant, device_uuid=device.device_uuid)
        set_access(tenant, device, access)
        store, this = tenant.store, (tenant.account_id, device.device_uuid)
        calls = (
            lambda: tenant.open(device.device_uuid),
            lambda: tenant.read(device.device_uuid, session),
            lambda: store.acknowledge(*this, [], [], [], now=NOW),
            lambda: uploader.send(uploader.insert("new", {"a": 1})),
            lambda: store.read_ranges(*this, "note", "", [KeyRange(None, None)], known_revision=0, limit=10),
            lambda: store.list_conflicts(*this, all_devices=False, object_type=None, key=None, before_id=None, limit=1),
        )
        for call in calls:
            with pytest.raises(refusal):
                call()
        set_access(tenant, device, DeviceAccess.ENABLED)
        for call in calls:
            call()
        assert actions(tenant) == 2

    def test_a_device_that_is_enabled_again_goes_on_where_it_stood(self, tenant: Tenant) -> None:
        tenant.write(*numbered(5))
        device = tenant.device()
        device.sync()
        set_access(tenant, device, DeviceAccess.DISABLED)
        tenant.put("n00001", b"new")
        tenant.remove("n00002")
        set_access(tenant, device, DeviceAccess.ENABLED)
        device.start()
        assert [item.key for piece in device.read().slices for item in piece.items] == ["n00001", "n00002"]

    def test_a_device_that_is_to_be_wiped_may_send_its_changes_if_it_was_told_so(self, tenant: Tenant) -> None:
        device = tenant.device()
        uploader = Uploader(tenant, device_uuid=device.device_uuid)
        set_access(tenant, device, DeviceAccess.WIPING, upload_first=True)
        with pytest.raises(DeviceWiped) as told:
            tenant.open(device.device_uuid)
        assert told.value.account_id == tenant.account_id
        assert told.value.upload_first
        assert told.value.store_epoch == tenant.store.get_head(tenant.account_id).store_epoch
        uploader.send(uploader.insert("before", {"a": 1}))
        assert tenant.store.count_records(tenant.account_id)["note"] == 1
        tenant.store.collect(tenant.account_id, devices_seen_before=NOW * 2, now=NOW)  # it expires meanwhile
        uploader.send(uploader.insert("expired", {"a": 1}))
        assert tenant.store.count_records(tenant.account_id)["note"] == 2

    def test_a_wipe_is_confirmed_once_and_only_if_it_was_asked_for(self, tenant: Tenant) -> None:
        device = tenant.device()
        this = (tenant.account_id, device.device_uuid)
        with pytest.raises(WipeNotAsked):
            tenant.store.confirm_wipe(*this, act=ACT)
        set_access(tenant, device, DeviceAccess.WIPING)
        for _ in range(2):
            wiped = tenant.store.confirm_wipe(*this, act=ACT)
            assert (wiped.access, wiped.state) == (DeviceAccess.WIPED, DeviceState.EXPIRED)
        assert actions(tenant) == 2

    def test_a_copy_that_comes_back_after_the_wipe_is_not_asked_for_its_changes(self, tenant: Tenant) -> None:
        device = tenant.device()
        uploader = Uploader(tenant, device_uuid=device.device_uuid)
        set_access(tenant, device, DeviceAccess.WIPING, upload_first=True)
        tenant.store.confirm_wipe(tenant.account_id, device.device_uuid, act=ACT)
        for call in (
            lambda: tenant.open(device.device_uuid),
            lambda: uploader.send(uploader.insert("copy", {"a": 1})),
        ):
            with pytest.raises(DeviceWiped) as told:
                call()
            assert not told.value.upload_first

    def test_g10_a_wiped_device_holds_no_tombstone_back(self, tenant: Tenant) -> None:
        tenant.put("a")
        device = tenant.device()
        device.sync()
        tenant.remove("a")
        set_access(tenant, device, DeviceAccess.WIPING)
        assert tenant.store.collect(tenant.account_id, devices_seen_before=0, now=NOW).tombstones == 0
        tenant.store.confirm_wipe(tenant.account_id, device.device_uuid, act=ACT)
        assert tenant.store.collect(tenant.account_id, devices_seen_before=0, now=NOW).tombstones == 1

    def test_a_disabled_device_expires_like_any_other(self, tenant: Tenant) -> None:
        device = tenant.device()
        set_access(tenant, device, DeviceAccess.DISABLED)
        tenant.store.collect(tenant.account_id, devices_seen_before=NOW * 2, now=NOW)
        found = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert (found.state, found.access) == (DeviceState.EXPIRED, DeviceAccess.DISABLED)

    def test_nothing_is_left_of_a_forgotten_device(self, tenant: Tenant) -> None:
        tenant.write(*numbered(3))
        device = tenant.device("", "b")
        device.sync(refuses=refuse_everything)
        uploader = Uploader(tenant, device_uuid=device.device_uuid)
        uploader.send(uploader.insert("mine", {"a": 1}))
        this = (tenant.account_id, device.device_uuid)
        tenant.store.forget_device(*this, act=ACT)
        with pytest.raises(DeviceNotFound):
            tenant.store.forget_device(*this, act=ACT)
        with pytest.raises(DeviceNotFound):
            tenant.store.get_device(*this)
        assert actions(tenant) == 1
        fresh = tenant.store.register_device(*this, now=NOW)
        assert (fresh.next_change_seq, fresh.settled_through, fresh.session_id) == (1, 0, "")
        assert set(tenant.store.list_grants(*this)) == {""}
        assert not tenant.store.list_positions(*this)
        assert not tenant.store.list_rejections(*this)
        assert tenant.store.count_records(tenant.account_id)["note"] == 4

    def test_a_report_says_how_far_a_device_is(self, tenant: Tenant) -> None:
        ahead, behind, new = (tenant.device() for _ in range(3))
        tenant.write(*numbered(4))
        for device in (ahead, behind):
            device.sync()
        revision = tenant.put("n00000", b"later")
        ahead.sync()
        reports = tenant.store.report_devices(tenant.account_id, after=None, limit=10)
        assert [each.device for each in reports] == tenant.store.list_devices(tenant.account_id, after=None, limit=10)
        by_device = {each.device.device_uuid: each for each in reports}
        assert {by_device[one.device_uuid].lag for one in (ahead, new)} == {0}
        assert by_device[behind.device_uuid].lag == revision - (revision - 1)
        for each in reports:
            assert tenant.store.report_device(tenant.account_id, each.device.device_uuid) == each
        (first, second, third) = reports
        after = first.device.device_uuid
        assert tenant.store.report_devices(tenant.account_id, after=after, limit=1) == [second]
        assert tenant.store.report_devices(tenant.account_id, after=third.device.device_uuid, limit=1) == []

    def test_a_report_counts_what_a_device_refused(self, tenant: Tenant) -> None:
        tenant.write(*numbered(2))
        device = tenant.device()
        for _ in range(5):
            device.sync(refuses=refuse_everything)
        tenant.put("later")
        device.sync(refuses=refuse_everything)
        report = tenant.store.report_device(tenant.account_id, device.device_uuid)
        assert (report.refused, report.parked) == (1, 2)
        items = [("note", "n00000"), ("note", "n00001")]
        assert tenant.store.put_back(tenant.account_id, device.device_uuid, items, act=ACT) == 2
        report = tenant.store.report_device(tenant.account_id, device.device_uuid)
        assert (report.refused, report.parked) == (3, 0)
        assert actions(tenant) == 1

    def test_g9_devices_of_other_accounts_are_not_there(self, tenant: Tenant) -> None:
        other = Tenant(tenant.store)
        device_uuid = other.register()
        this = (tenant.account_id, device_uuid)
        calls = (
            lambda: tenant.store.set_access(*this, DeviceAccess.DISABLED, act=ACT),
            lambda: tenant.store.confirm_wipe(*this, act=ACT),
            lambda: tenant.store.forget_device(*this, act=ACT),
            lambda: tenant.store.report_device(*this),
        )
        for call in calls:
            with pytest.raises(DeviceNotFound):
                call()
        assert tenant.store.report_devices(tenant.account_id, after=None, limit=10) == []
        assert actions(tenant) == 0
        assert other.store.get_device(other.account_id, device_uuid).access is DeviceAccess.ENABLED
