"""Deleting what a full run has not seen."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

from syncline.storage.conformance.request_desk import LEASE_US, Desk, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.contract import Store
from syncline.storage.request_models import Ending, Lease, OnMatch, TypeCounts


def loaded(tenant: Tenant, count: int) -> tuple[Desk, str, Lease]:
    """So many notes and tasks of an enrollment, and a full run of it that has begun."""
    desk = Desk(tenant)
    enrollment_id = desk.enroll()
    rows = [row(f"s{at}", {"a": at}, object_type=kind) for at in range(count) for kind in ("note", "task")]
    desk.run(*rows, enrollment_id=enrollment_id)
    return desk, enrollment_id, desk.lease(enrollment_id=enrollment_id, run_full_sync=True)


class SweepConformance:
    """`WorkStore.count_unseen` and `sweep_unseen`."""

    def test_what_was_not_seen_is_deleted(self, tenant: Tenant) -> None:
        desk, enrollment_id, lease = loaded(tenant, 4)
        desk.write(lease, row("s0", {"a": 0}), row("s1", {"a": 9}), row("new", {"a": 1}))
        assert desk.store.count_unseen(lease, ["note"]) == (2, 5)
        assert desk.store.count_unseen(lease, ["note", "task"]) == (6, 9)
        assert desk.store.count_unseen(lease, []) == (0, 0)
        now = tenant.now()
        swept = desk.store.sweep_unseen(lease, ["note"], limit=9, lease_us=LEASE_US, now=now)
        assert swept.left == 0
        stands = desk.get(lease.request_id)
        assert stands.lease_until == swept.result.lease_until == now + LEASE_US
        assert (swept.result.progress, swept.result.written) == (stands.progress, True)
        assert swept.result.head_revision == tenant.head()
        assert set(desk.live()) == {"s0", "s1", "new"}
        assert len(desk.live("task")) == 4
        assert desk.store.count_unseen(lease, ["note"]) == (0, 3)
        known = desk.store.known_sources(desk.account_id, enrollment_id, "note", ["s0", "s1", "s2", "s3", "new"])
        assert set(known) == {"s0", "s1", "new"}
        assert desk.end(lease).progress.deleted == 2
        assert desk.store.count_types(desk.account_id, lease.request_id) == {
            "note": TypeCounts(inserted=1, updated=1, skipped=1, deleted=2)
        }

    def test_a_sweep_goes_step_by_step(self, tenant: Tenant) -> None:
        desk, _, lease = loaded(tenant, 4)
        device = tenant.device()
        device.sync()
        types = ("note", "task")
        assert [desk.sweep(lease, *types, limit=3) for _ in range(4)] == [5, 2, 0, 0]
        assert (desk.live(), desk.live("task")) == ({}, {})
        assert len(device.sync()) == 8
        assert desk.get(lease.request_id).progress.deleted == 8

    def test_g11_what_an_earlier_attempt_saw_is_seen(self, tenant: Tenant) -> None:
        desk, _, lease = loaded(tenant, 3)
        desk.write(lease, row("s0", {"a": 0}))
        due = tenant.now()
        desk.end(lease, Ending.TRY_AGAIN, due_at=due)
        desk.promote(due)
        again = desk.claimed()
        desk.write(again, row("s1", {"a": 1}))
        assert desk.store.count_unseen(again, ["note"]) == (1, 3)
        desk.end(again)

    def test_g10_what_other_requests_brought_between_attempts_is_seen(self, tenant: Tenant) -> None:
        desk, enrollment_id, lease = loaded(tenant, 3)
        desk.write(lease, row("s0", {"a": 0}), row("s1", {"a": 1}))
        desk.end(lease, Ending.TRY_AGAIN, due_at=tenant.now() + LEASE_US)
        other = desk.lease(enrollment_id=enrollment_id, run_full_sync=True)
        desk.write(other, row("s0", {"a": 0}))
        desk.end(other)
        desk.run(row("s1", {"a": 9}), row("new", {"a": 1}), enrollment_id=enrollment_id)
        desk.promote(tenant.now() + 2 * LEASE_US)
        again = desk.claimed()
        assert again.request_id == lease.request_id
        assert desk.store.count_unseen(again, ["note"]) == (1, 4)
        assert desk.sweep(again, "note") == 0
        assert set(desk.live()) == {"s0", "s1", "new"}

    def test_g10_full_runs_at_a_time_leave_what_the_other_has_seen(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("both", {"a": 0}), row("none", {"a": 0}))
        one, two = desk.lease(run_full_sync=True), desk.lease(run_full_sync=True)
        for lease in (one, two):
            desk.write(lease, row("both", {"a": 0}))
        for lease in (one, two):
            assert desk.sweep(lease, "note") == 0
            desk.end(lease)
        assert set(desk.live()) == {"both"}

    def test_each_full_run_sees_anew(self, tenant: Tenant) -> None:
        desk, enrollment_id, lease = loaded(tenant, 2)
        desk.write(lease, row("s0", {"a": 0}), row("s1", {"a": 1}))
        desk.end(lease)
        desk.run(row("s0", {"a": 5}), enrollment_id=enrollment_id)
        again = desk.lease(enrollment_id=enrollment_id, run_full_sync=True)
        assert desk.store.count_unseen(again, ["note"]) == (2, 2)

    def test_rows_that_were_refused_are_seen(self, tenant: Tenant) -> None:
        desk, _, lease = loaded(tenant, 3)
        tenant.put("taken")
        desk.write(
            lease,
            row("s0", {"a": 9}, on_match=OnMatch.SKIP),
            row("s1", {"a": 9}, on_match=OnMatch.ERROR),
            row("s2", {"a": 9}, key="taken", on_match=OnMatch.ERROR),
        )
        assert desk.store.count_unseen(lease, ["note"]) == (0, 3)

    def test_a_sweep_leaves_what_has_another_source(self, tenant: Tenant) -> None:
        desk, enrollment_id, lease = loaded(tenant, 3)
        other = desk.enroll()
        desk.run(row("o", {"a": 0}, key="s0"), enrollment_id=other)
        desk.run(row("o", {"a": 1}, key="s1"))
        tenant.put("made here")
        assert desk.store.count_unseen(lease, ["note"]) == (3, 3)
        assert desk.sweep(lease, "note") == 0
        assert set(desk.live()) == {"s0", "s1", "made here"}
        assert desk.store.known_sources(desk.account_id, enrollment_id, "note", ["s0", "s1", "s2"]) == {}
        assert set(desk.store.known_sources(desk.account_id, other, "note", ["o"])) == {"o"}
        assert desk.get(lease.request_id).progress.deleted == 1

    def test_a_record_with_two_unseen_sources_goes_with_the_second(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}, key="k"), row("t", {"a": 1}, key="k"))
        lease = desk.lease(run_full_sync=True)
        assert desk.sweep(lease, "note", limit=1) == 1
        assert set(desk.live()) == {"k"}
        assert desk.sweep(lease, "note", limit=1) == 0
        assert desk.live() == {}

    def test_g9_a_sweep_stays_at_home(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        enrollment_id = str(uuid4())
        for desk in (mine, other):
            desk.enroll(enrollment_id=enrollment_id)
            desk.run(row("s", {"a": 1}), enrollment_id=enrollment_id)
            desk.run(row("s", {"a": 1}, object_type="task"))
        lease = mine.lease(enrollment_id=enrollment_id, run_full_sync=True)
        assert store.count_unseen(lease, ["note", "task"]) == (1, 1)
        assert mine.sweep(lease, "note", "task") == 0
        assert (mine.live(), set(mine.live("task"))) == ({}, {"s"})
        assert (set(other.live()), set(other.live("task"))) == ({"s"}, {"s"})
        known = partial(store.known_sources, enrollment_id=enrollment_id, object_type="note", source_keys=["s"])
        assert (set(known(mine.account_id)), set(known(other.account_id))) == (set(), {"s"})
