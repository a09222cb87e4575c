"""App enrollments."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.errors import EnrollmentBusy, EnrollmentChanged, EnrollmentNotFound, InvalidValue, NameTaken
from syncline.storage.request_models import Enrollment, Operation, RequestQuery, Schedule


class EnrollmentConformance:
    """`EnrollmentStore`."""

    def test_an_enrollment_is_kept_as_it_was_given(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        given = desk.enrollment(
            name="ä",
            sealed_secrets=b"\x00\xff",
            enabled=False,
            read_cursor="[1]",
            write_cursor="2",
            schedule=Schedule("*/5 * * * *", "Europe/Berlin", 30, Operation.WRITE, run_full_sync=True),
            next_run_at=2**53 + 1,
        )
        assert desk.store.put_enrollment(desk.account_id, given, expected_modified_at=None) == given
        assert desk.store.get_enrollment(desk.account_id, given.enrollment_id) == given

    def test_enrollments_are_listed_by_name(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        names = ["b", "B", "ä", "b ", "a"]
        for name in names:
            desk.enroll(name=name)
        listed = desk.store.list_enrollments(desk.account_id)
        assert [enrollment.name for enrollment in listed] == ["B", "a", "b", "b ", "ä"]

    def test_a_replacement_keeps_the_cursors(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        before = desk.enrollment(read_cursor="r", write_cursor="w")
        desk.store.put_enrollment(desk.account_id, before, expected_modified_at=None)
        wanted = replace(
            before, name="other", settings="{}", sealed_secrets=b"", enabled=False, modified_at=5, modified_by="me"
        )
        told = replace(wanted, read_cursor="lost", write_cursor="")
        answered = desk.store.put_enrollment(desk.account_id, told, expected_modified_at=before.modified_at)
        assert answered == wanted
        assert desk.store.get_enrollment(desk.account_id, before.enrollment_id) == wanted

    def test_what_somebody_changed_is_not_replaced(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        before = desk.enrollment()
        with pytest.raises(EnrollmentNotFound):
            desk.store.put_enrollment(desk.account_id, before, expected_modified_at=before.modified_at)
        desk.store.put_enrollment(desk.account_id, before, expected_modified_at=None)
        for expected in (None, before.modified_at + 1):
            with pytest.raises(EnrollmentChanged):
                desk.store.put_enrollment(desk.account_id, replace(before, name="x"), expected_modified_at=expected)
        assert desk.store.list_enrollments(desk.account_id) == [before]

    def test_one_of_many_replacements_wins(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        before = desk.enrollment()
        desk.store.put_enrollment(desk.account_id, before, expected_modified_at=None)

        def put(number: int) -> int:
            wanted = replace(before, modified_at=number)
            try:
                desk.store.put_enrollment(desk.account_id, wanted, expected_modified_at=before.modified_at)
            except EnrollmentChanged:
                return 0
            return number

        winners = [number for number in together(*(partial(put, number) for number in range(1, 7))) if number]
        assert len(winners) == 1
        assert desk.store.get_enrollment(desk.account_id, before.enrollment_id).modified_at == winners[0]

    def test_a_name_is_given_once(self, tenant: Tenant) -> None:
        desk, other = Desk(tenant), Desk(Tenant(tenant.store))
        desk.enroll(name="taken")
        mine = desk.enrollment(name="mine")
        desk.store.put_enrollment(desk.account_id, mine, expected_modified_at=None)
        with pytest.raises(NameTaken):
            desk.enroll(name="taken")
        renamed = replace(mine, name="taken")
        with pytest.raises(NameTaken):
            desk.store.put_enrollment(desk.account_id, renamed, expected_modified_at=mine.modified_at)
        desk.enroll(name="Taken")
        other.enroll(name="taken")

    def test_one_of_many_gets_the_name(self, tenant: Tenant) -> None:
        desk = Desk(tenant)

        def put(enrollment: Enrollment) -> bool:
            try:
                desk.store.put_enrollment(desk.account_id, enrollment, expected_modified_at=None)
            except NameTaken:
                return False
            return True

        assert sum(together(*(partial(put, desk.enrollment(name="one")) for _ in range(6)))) == 1

    @pytest.mark.parametrize("field", ["name", "settings", "connector", "modified_by"])
    def test_a_text_that_cannot_be_kept_is_refused(self, tenant: Tenant, field: str) -> None:
        with pytest.raises(InvalidValue):
            Desk(tenant).enroll(**{field: "a\x00b"})

    @pytest.mark.parametrize("state", ["ready", "connector", "in_progress"])
    def test_an_enrollment_in_use_is_not_removed(self, tenant: Tenant, state: str) -> None:
        desk = Desk(tenant)
        enrollment_id = desk.enroll()
        now = tenant.now()
        request = desk.ask(enrollment_id=enrollment_id, due_at=now + (state == "ready"), now=now)
        if state == "in_progress":
            desk.claimed()
        assert desk.get(request.request_id).status.value == state
        with pytest.raises(EnrollmentBusy):
            desk.store.remove_enrollment(desk.account_id, enrollment_id)
        assert desk.store.get_enrollment(desk.account_id, enrollment_id).enrollment_id == enrollment_id

    def test_removing_forgets_the_sources_only(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollment_id, other = desk.enroll(), desk.enroll()
        desk.run(row("s", {"a": 1}), enrollment_id=enrollment_id)
        desk.run(row("s", {"a": 1}, key="t"), enrollment_id=other)
        desk.store.remove_enrollment(desk.account_id, enrollment_id)
        with pytest.raises(EnrollmentNotFound):
            desk.store.get_enrollment(desk.account_id, enrollment_id)
        with pytest.raises(EnrollmentNotFound):
            desk.store.remove_enrollment(desk.account_id, enrollment_id)
        assert desk.store.known_sources(desk.account_id, enrollment_id, "note", ["s"]) == {}
        assert set(desk.store.known_sources(desk.account_id, other, "note", ["s"])) == {"s"}
        assert desk.live() == {"s": {"a": 1}, "t": {"a": 1}}
        requests = desk.store.list_requests(desk.account_id, RequestQuery())
        assert {request.enrollment_id for request in requests} == {enrollment_id, other}

    def test_g9_enrollments_are_not_found_from_outside(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        kept = mine.enrollment()
        store.put_enrollment(mine.account_id, kept, expected_modified_at=None)
        with pytest.raises(EnrollmentNotFound):
            store.get_enrollment(other.account_id, kept.enrollment_id)
        with pytest.raises(EnrollmentNotFound):
            store.remove_enrollment(other.account_id, kept.enrollment_id)
        with pytest.raises(EnrollmentNotFound):
            store.put_enrollment(other.account_id, kept, expected_modified_at=kept.modified_at)
        with pytest.raises(EnrollmentNotFound):
            other.ask(enrollment_id=kept.enrollment_id)
        assert store.list_enrollments(other.account_id) == []
        twin = replace(kept, name="twin")
        store.put_enrollment(other.account_id, twin, expected_modified_at=None)
        store.remove_enrollment(other.account_id, kept.enrollment_id)
        assert store.get_enrollment(mine.account_id, kept.enrollment_id) == kept
