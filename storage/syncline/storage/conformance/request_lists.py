"""Lists of sync requests: filters, orders, pages."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.storage.conformance.request_desk import Desk, row
from syncline.storage.conformance.tenant import NOW, Tenant
from syncline.storage.contract import Store
from syncline.storage.filters import Comparison, Filter, Junction, Operator, Order, Value
from syncline.storage.request_models import REQUEST_FIELDS, Ending, LastRuns, Operation, RequestQuery, SyncRequest
from syncline.storage.request_states import RequestStatus


def where(field: str, operator: Operator, *values: Value, negated: bool = False) -> Comparison:
    """A comparison."""
    return Comparison(field, operator, values, negated)


def both(*parts: Filter) -> Junction:
    """All of them hold."""
    return Junction(needs_all=True, parts=parts)


def either(*parts: Filter) -> Junction:
    """One of them holds."""
    return Junction(needs_all=False, parts=parts)


STARTS, ENDS, CONTAINS = Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.CONTAINS
FILTERS: dict[str, tuple[Filter, str]] = {
    "text": (where("modified_by", Operator.EQUAL, "ann"), "1"),
    "text of another case": (where("modified_by", Operator.EQUAL, "Ann"), ""),
    "text by code point": (where("modified_by", Operator.GREATER, "ann"), "234"),
    "not equal": (where("modified_by", Operator.NOT_EQUAL, "ann"), "234"),
    "word": (where("status", Operator.EQUAL, "success"), "4"),
    "words": (where("status", Operator.IN, "ready", "connector"), "2"),
    "no word of these": (where("operation", Operator.IN, "read", "check", negated=True), "3"),
    "order of words": (where("status", Operator.LESS, "ready"), "13"),
    "less": (where("created_at", Operator.LESS, 3), "12"),
    "not less": (where("created_at", Operator.LESS, 3, negated=True), "34"),
    "up to": (where("created_at", Operator.LESS_EQUAL, 3), "123"),
    "from": (where("created_at", Operator.GREATER_EQUAL, 3), "34"),
    "between": (where("created_at", Operator.BETWEEN, 2, 3), "23"),
    "not between": (where("created_at", Operator.BETWEEN, 2, 3, negated=True), "14"),
    "truth": (where("run_full_sync", Operator.EQUAL, True), "3"),
    "untruth": (where("run_full_sync", Operator.EQUAL, True, negated=True), "124"),
    "progress": (where("rows_read", Operator.GREATER, 6), "4"),
    "inserted": (where("rows_inserted", Operator.EQUAL, 1), "4"),
    "failures": (where("failure_count", Operator.EQUAL, 1), "3"),
    "absent": (where("retry_of", Operator.IS_NULL), "12"),
    "present": (where("retry_of", Operator.IS_NULL, negated=True), "34"),
    "absent is not different": (where("enrollment_id", Operator.NOT_EQUAL, "x"), "3"),
    "absent is in nothing": (where("parent_id", Operator.IN, "x", negated=True), ""),
    "absent is not less": (where("current_batch", Operator.LESS, 5, negated=True), ""),
    "contains": (where("modified_by", CONTAINS, "NN"), "12"),
    "contains not": (where("modified_by", CONTAINS, "nn", negated=True), "34"),
    "starts": (where("modified_by", STARTS, "AN"), "1"),
    "ends": (where("modified_by", ENDS, "_"), "3"),
    "percent is plain": (where("modified_by", CONTAINS, "%"), "3"),
    "underscore is plain": (where("modified_by", STARTS, "_"), ""),
    "other letters have a case": (where("modified_by", CONTAINS, "Ä"), ""),
    "the same letters": (where("modified_by", CONTAINS, "ä"), "4"),
    "all of": (both(where("created_at", Operator.GREATER, 1), where("rows_read", Operator.EQUAL, 0)), "23"),
    "one of": (either(where("created_at", Operator.EQUAL, 1), where("run_full_sync", Operator.EQUAL, True)), "13"),
    "one of all": (
        either(
            both(where("created_at", Operator.EQUAL, 1), where("operation", Operator.EQUAL, "check")),
            both(where("created_at", Operator.EQUAL, 2), where("operation", Operator.EQUAL, "read")),
        ),
        "2",
    ),
    "all of one": (
        both(
            either(where("created_at", Operator.EQUAL, 1), where("created_at", Operator.EQUAL, 3)),
            either(where("retry_of", Operator.IS_NULL), where("rows_read", Operator.GREATER, 100)),
        ),
        "1",
    ),
}
"""Filters, and which of the `four_requests` each shows."""


def four_requests(tenant: Tenant) -> tuple[Desk, dict[str, str]]:
    """Requests made at the times 1 to 4; the number of each by its id."""
    desk = Desk(tenant)
    first = desk.ask(due_at=1, now=1)
    desk.cancel(first.request_id, by="ann")
    second = desk.ask(due_at=1 << 60, now=2, by="bnn")
    desk.ask(
        due_at=3,
        now=3,
        operation=Operation.WRITE,
        run_full_sync=True,
        enrollment_id=desk.enroll(),
        retry_of=first.request_id,
    )
    third = desk.claimed(worker="w%_")
    desk.end(third, Ending.FAILED)
    desk.ask(due_at=4, now=4, retry_of=first.request_id)
    fourth = desk.claimed(worker="zä")
    desk.write(fourth, row("s", {"a": 1}), read=7)
    desk.end(fourth)
    return desk, {first.request_id: "1", second.request_id: "2", third.request_id: "3", fourth.request_id: "4"}


def listed(desk: Desk, query: RequestQuery) -> list[SyncRequest]:
    """One page."""
    return desk.store.list_requests(desk.account_id, query)


def value(request: SyncRequest, field: str) -> Value | None:
    """What the request has in a field, as a filter compares it."""
    found = getattr(request.progress if field.startswith("rows_") else request, field.removeprefix("rows_"))
    plain: Value | None = getattr(found, "value", found)
    return plain


def paged(desk: Desk, order: tuple[Order, ...], *, limit: int) -> list[SyncRequest]:
    """All requests, page by page."""
    found: list[SyncRequest] = []
    page = listed(desk, RequestQuery(order=order, limit=limit))
    while page:
        assert len(page) <= limit
        found += page
        after = (*(value(page[-1], one.field) for one in order), page[-1].request_id)
        page = listed(desk, RequestQuery(order=order, limit=limit, after=after))
    return found


class RequestListConformance:
    """`SyncRequestStore.list_requests`."""

    def test_filters_say_which_requests(self, tenant: Tenant) -> None:
        desk, numbers = four_requests(tenant)
        order = (Order("created_at"),)
        for case, (wanted, expected) in FILTERS.items():
            found = listed(desk, RequestQuery(filter=wanted, order=order))
            assert "".join(numbers[request.request_id] for request in found) == expected, case
        everything = listed(desk, RequestQuery())
        assert "".join(numbers[request.request_id] for request in everything) == "4321"

    def test_every_field_is_filtered_and_ordered_by(self, tenant: Tenant) -> None:
        desk, _ = four_requests(tenant)
        for field in REQUEST_FIELDS:
            for request in listed(desk, RequestQuery()):
                has = value(request, field)
                same = where(field, Operator.IS_NULL) if has is None else where(field, Operator.EQUAL, has)
                found = listed(desk, RequestQuery(filter=same, order=(Order(field, descending=True),)))
                assert request in found, field
                assert {value(one, field) for one in found} == {has}, field

    @pytest.mark.parametrize(
        "order",
        [
            (),
            (Order("created_at", descending=True),),
            (Order("enrollment_id"), Order("created_at")),
            (Order("enrollment_id", descending=True), Order("created_at")),
            (Order("retry_of"), Order("enrollment_id", descending=True)),
            (Order("run_full_sync", descending=True), Order("retry_of", descending=True), Order("created_at")),
            (Order("operation"), Order("status", descending=True), Order("request_id", descending=True)),
        ],
        ids=lambda order: ",".join(f"{'-' if one.descending else '+'}{one.field}" for one in order) or "id",
    )
    def test_pages_show_each_request_once_in_order(self, tenant: Tenant, order: tuple[Order, ...]) -> None:
        desk = Desk(tenant)
        enrollments = (None, desk.enroll(), desk.enroll(), None)
        first = desk.ask(due_at=1 << 60)
        for number in range(12):
            desk.ask(
                now=NOW + number % 3,
                due_at=NOW + number % 2,
                operation=(Operation.READ, Operation.WRITE)[number // 6],
                run_full_sync=number % 2 == 0,
                enrollment_id=enrollments[number % 4],
                retry_of=(None, first.request_id)[number // 4 % 2],
            )
        everything = listed(desk, RequestQuery())
        assert len(everything) == 13
        expected = sorted(everything, key=lambda request: request.request_id)
        for one in reversed(order):
            field = one.field

            def rank(request: SyncRequest, field: str = field) -> tuple[bool, Value]:
                has = value(request, field)
                return has is not None, 0 if has is None else has

            expected.sort(key=rank, reverse=one.descending)
        for limit in (1, 5, 13):
            assert paged(desk, order, limit=limit) == expected

    def test_g9_a_list_shows_its_account_only(self, store: Store) -> None:
        mine, other = Desk(Tenant(store)), Desk(Tenant(store))
        request = mine.ask()
        other.ask()
        wide = either(where("created_at", Operator.GREATER, 0), where("created_at", Operator.LESS, 1))
        assert listed(mine, RequestQuery(filter=wide)) == [request]

    def test_the_last_runs_of_enrollments(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        first, second, idle = desk.enroll(), desk.enroll(), desk.enroll()
        done = desk.end(desk.lease(enrollment_id=first))
        failed = desk.end(desk.lease(enrollment_id=first), Ending.FAILED)
        desk.end(desk.lease(enrollment_id=first, operation=Operation.CHECK))
        parent_id = str(uuid4())
        batch = desk.ask(enrollment_id=second, parent_id=parent_id, current_batch=1, total_batches=2)
        desk.ask()
        runs = desk.store.last_runs(desk.account_id, [first, second, idle])
        assert runs == {first: LastRuns(failed, done), second: LastRuns(desk.get(parent_id)), idle: LastRuns()}
        assert desk.store.last_runs(desk.account_id, []) == {}
        other = Desk(Tenant(tenant.store))
        assert other.store.last_runs(other.account_id, [first]) == {first: LastRuns()}
        desk.cancel(parent_id)
        assert desk.get(batch.request_id).status is RequestStatus.CANCELLED
        newest = desk.ask(enrollment_id=first, operation=Operation.WRITE)
        assert desk.store.last_runs(desk.account_id, [first]) == {first: LastRuns(newest, done)}
