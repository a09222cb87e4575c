"""The suite catches each of these bugs: the test named for it fails. Without the bug it passes: see the other files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from syncline.storage.conformance import StoreConformance, Tenant
from syncline.storage.errors import StoreUnavailable
from syncline.storage.sql.opening import open_database
from syncline.storage.sql.store import SqlStore
from tests.conformance.planted_bugs import (
    CancelledByAnybody,
    DepartureAtAnEqualRevision,
    EachBatchSeesForItself,
    HeadReadAfterRows,
    HeadTakenLast,
    LeasesNeverLost,
    NoDepartureFromATombstone,
    OldEpochHonoured,
    OldValuesOnly,
    OwnChangesAreNews,
    ParentDecidedWithoutItsLock,
    PayloadsOfAnybody,
    ReceiptsIgnored,
    ReceiptsReadBeforeTheLock,
    ReceiptsTrimmedByAge,
    RevisionsFromASequence,
    RowsComparedWithTheirRecords,
    RowsReadAfterHead,
    SchedulesComparedWithoutALock,
    SchedulesNotCompared,
    SweepBeforeTheLastBatch,
)

ROUNDS_MAX = 5
"""A race is given so many tries to happen; it nearly always does in the first."""

SUITE = StoreConformance()
Check = Callable[[Tenant], None]


def sweeps_after_the_last_batch(tenant: Tenant) -> None:
    """Batches that come in an order of their own."""
    SUITE.test_g11_batches_in_any_order_are_one_full_run(tenant, (2, 0, 1))


@dataclass(frozen=True)
class Planted:
    """A bug and the tests of the suite that catch it."""

    store_class: type[SqlStore]
    checks: tuple[Check, ...]

    def __str__(self) -> str:
        return self.store_class.__name__


ON_ANY_DATABASE = [
    Planted(HeadReadAfterRows, (SUITE.test_g1_followers_miss_nothing,)),
    Planted(
        NoDepartureFromATombstone,
        (SUITE.test_g10_a_tombstone_that_comes_to_life_elsewhere_leaves_a_departure,),
    ),
    Planted(
        OldEpochHonoured,
        (
            SUITE.test_acknowledgements_from_before_a_rewind_are_stale,
            SUITE.test_acknowledgements_of_an_abandoned_session_hide_nothing,
            SUITE.test_g10_a_stale_acknowledgement_releases_nothing,
        ),
    ),
    Planted(
        ReceiptsIgnored,
        (
            SUITE.test_g6_a_change_under_a_new_number_is_the_same_change,
            SUITE.test_g6_a_settled_change_is_known_while_its_receipt_is_there,
        ),
    ),
    Planted(ReceiptsTrimmedByAge, (SUITE.test_g6_a_receipt_stays_until_it_is_settled,)),
    Planted(
        OldValuesOnly,
        (
            SUITE.test_g7_a_chain_made_again_does_not_contest_itself,
            SUITE.test_g7_edits_that_others_made_as_well_are_no_conflict,
        ),
    ),
    Planted(OwnChangesAreNews, (SUITE.test_g7_a_chain_of_edits_does_not_contest_itself,)),
    Planted(
        LeasesNeverLost,
        (SUITE.test_g11_who_lost_the_lease_does_nothing_more, SUITE.test_g11_a_request_ends_once),
    ),
    Planted(SchedulesNotCompared, (SUITE.test_g11_who_comes_late_makes_no_request,)),
    Planted(SweepBeforeTheLastBatch, (sweeps_after_the_last_batch,)),
    Planted(
        EachBatchSeesForItself,
        (SUITE.test_g10_a_full_run_between_batches_and_they_leave_what_the_other_brought,),
    ),
    *(
        Planted(hole, (SUITE.test_g9_what_is_another_account_s_is_as_what_is_not_there,))
        for hole in (PayloadsOfAnybody, CancelledByAnybody)
    ),
    Planted(
        RowsComparedWithTheirRecords,
        (
            SUITE.test_g8_an_unchanged_row_keeps_what_a_device_wrote,
            SUITE.test_g10_a_row_brings_back_only_what_it_changed,
        ),
    ),
]
# SQLite has one writer at a time from the first statement on, and every read transaction is one snapshot: there,
# these are no bugs.
ON_POSTGRES_ONLY = [
    Planted(RevisionsFromASequence, (SUITE.test_g1_followers_miss_nothing,)),
    Planted(
        HeadTakenLast,
        (
            SUITE.test_g1_writers_decide_on_what_is_committed,
            SUITE.test_g10_concurrent_moves_leave_every_departure,
        ),
    ),
    Planted(ReceiptsReadBeforeTheLock, (SUITE.test_g6_one_message_from_many_threads_is_done_once,)),
    Planted(
        ParentDecidedWithoutItsLock,
        (
            SUITE.test_g11_a_parent_ends_when_its_batches_end_at_once,
            SUITE.test_g11_batches_that_end_at_once_let_their_parent_run_once,
        ),
    ),
    Planted(SchedulesComparedWithoutALock, (SUITE.test_g11_one_of_many_workers_makes_the_request,)),
    Planted(RowsReadAfterHead, (SUITE.test_g5_readers_see_whole_transactions,)),
]


def cases(planted: list[Planted]) -> list[tuple[type[SqlStore], Check]]:
    """Each bug with each of its tests."""
    return [(bug.store_class, check) for bug in planted for check in bug.checks]


def name(value: object) -> str:
    """How a case is shown."""
    return getattr(value, "__name__", str(value))


def fails(store_class: type[SqlStore], url: str, check: Check) -> bool:
    """Does the test fail on this store, in any of a few rounds?"""
    store = store_class(open_database(url, durable=False), max_rejections=5)
    try:
        for _ in range(ROUNDS_MAX):
            try:
                check(Tenant(store))
            except (AssertionError, pytest.fail.Exception):
                return True
            except StoreUnavailable as error:
                if "duplicate key" not in str(error):
                    raise
                return True  # the database itself saw that the bug wrote one record twice
        return False
    finally:
        store.close()


@pytest.mark.parametrize(("bug", "check"), cases(ON_ANY_DATABASE), ids=name)
def test_bug_is_caught_on_sqlite(sqlite_url: str, bug: type[SqlStore], check: Check) -> None:
    assert fails(bug, sqlite_url, check)


@pytest.mark.parametrize(("bug", "check"), cases([*ON_ANY_DATABASE, *ON_POSTGRES_ONLY]), ids=name)
def test_bug_is_caught_on_postgres(postgres_url: str, bug: type[SqlStore], check: Check) -> None:
    assert fails(bug, postgres_url, check)


def test_departure_at_an_equal_revision_is_caught(sqlite_url: str) -> None:
    """One of the two directions shows the record before the departure; which one is the store's business."""
    check = SUITE.test_g5_a_move_between_granted_buckets_keeps_the_record
    store = SqlStore(open_database(sqlite_url, durable=False), max_rejections=5)
    caught = 0
    for source, target in (("a", "b"), ("b", "a")):
        check(Tenant(store), source, target)
        try:
            check(Tenant(store, DepartureAtAnEqualRevision), source, target)
        except AssertionError:
            caught += 1
    store.close()
    assert caught == 1
