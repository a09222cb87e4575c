"""The plan of a batch of rows: what it needs to know, and what it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.storage.conformance.request_desk import FieldWriter, batch, row
from syncline.storage.errors import LimitReached, ObjectTypeNotFound
from syncline.storage.request_models import (
    DETAIL_VALUE_CHARS_MAX,
    DETAILS_MAX,
    Detail,
    OnMatch,
    Progress,
    RowBatch,
    Severity,
    SourceRow,
    TypeCounts,
)
from syncline.storage.row_plan import (
    ItemName,
    KnownSource,
    RowPlan,
    RowState,
    SourceName,
    added,
    added_counts,
    check_row_batch,
    items_left,
    items_touched,
    kept_details,
    plan_rows,
    plan_sweep,
    source_names,
    storable,
)
from syncline.storage.upload_models import CurrentRecord

EMPTY = RowState(full=False, head_revision=0, scopes={"note": "notes"}, sources={}, records={}, source_counts={})
DETAIL = Detail(Severity.ERROR, "note", 1, "s", "a", "why", "x")

names = st.sampled_from("stu")
keys = st.sampled_from("klm")
rows = st.builds(
    lambda name, key, value, on_match: row(name, {"a": value}, key=key, on_match=on_match),
    names,
    keys,
    st.integers(0, 2),
    st.sampled_from(list(OnMatch)),
)
batches = st.builds(
    lambda coming, gone: batch(*coming, deleted_keys=tuple(("note", name) for name in gone)),
    st.lists(rows, max_size=6),
    st.lists(names, max_size=2),
)


class World:
    """All that there is after some batches; one source of another enrollment keeps the record `m`."""

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self.revision = 0
        self.sources: dict[SourceName, KnownSource] = {}
        self.records: dict[ItemName, CurrentRecord] = {}

    def counts(self) -> Counter[ItemName]:
        """The sources of each record, of all enrollments."""
        own = Counter((name[0], known.record_key) for name, known in self.sources.items())
        return own + Counter([("note", "m")])

    def state(self) -> RowState:
        """Everything."""
        return replace(
            EMPTY,
            full=self.full,
            head_revision=self.revision,
            sources=self.sources,
            records=self.records,
            source_counts=self.counts(),
        )

    def needed(self, coming: RowBatch) -> RowState:
        """What a batch says that it has to know, and no more."""
        everything = self.state()
        sources = {name: known for name, known in self.sources.items() if name in source_names(coming)}
        touched, left = items_touched(coming, sources), items_left(coming, sources)
        return replace(
            everything,
            sources=sources,
            records={item: record for item, record in self.records.items() if item in touched},
            source_counts={item: count for item, count in everything.source_counts.items() if item in left},
        )

    def carry_out(self, plan: RowPlan) -> None:
        """Do what was planned."""
        for write in plan.writes:
            self.revision += 1
            self.records[write.object_type, write.key] = CurrentRecord(
                "notes", "", self.revision, write.frame, write.data_hash, b"", None
            )
        self.sources |= plan.sources
        for name in plan.forgotten:
            self.sources.pop(name, None)


@given(st.lists(batches, max_size=6), st.booleans())
def test_a_plan_needs_what_it_asks_for_and_no_more(coming: Sequence[RowBatch], full: bool) -> None:
    world = World(full=full)
    for one in coming:
        plan = plan_rows(world.needed(one), one, FieldWriter())
        assert plan == plan_rows(world.state(), one, FieldWriter())
        assert not plan.forgotten & plan.sources.keys()
        assert plan.seen <= (world.sources.keys() - plan.forgotten - plan.sources.keys() if full else set())
        world.carry_out(plan)


@given(st.lists(batches, max_size=6))
def test_every_row_counts_once_and_every_record_has_a_source(coming: Sequence[RowBatch]) -> None:
    world = World(full=False)
    for one in coming:
        plan = plan_rows(world.needed(one), one, FieldWriter())
        done = plan.progress
        assert done.inserted + done.updated + done.skipped + done.failed == done.read == len(one.rows)
        assert done.inserted + done.updated + done.deleted == len(plan.writes)
        live_before = {item for item, record in world.records.items() if record.frame is not None}
        world.carry_out(plan)
        live = {item for item, record in world.records.items() if record.frame is not None}
        assert len(live) == len(live_before) + done.inserted - done.deleted
        sourced = world.counts()
        assert all(sourced[item] for item in live)
        assert all(item in live for item, count in sourced.items() if count and item != ("note", "m"))


@given(st.lists(batches, max_size=4))
def test_a_sweep_of_all_sources_leaves_what_others_have(coming: Sequence[RowBatch]) -> None:
    world = World(full=True)
    for one in coming:
        world.carry_out(plan_rows(world.needed(one), one, FieldWriter()))
    live = {item for item, record in world.records.items() if record.frame is not None}
    plan = plan_sweep(world.state(), list(world.sources), now=1)
    assert {(write.object_type, write.key) for write in plan.writes} == live - {("note", "m")}
    assert plan.forgotten == set(world.sources)
    assert plan.progress == Progress(deleted=len(live - {("note", "m")}))


def test_a_full_run_notes_what_came_as_it_was() -> None:
    known = row("s", {"a": 1})
    state = replace(EMPTY, full=True, sources={("note", "s"): KnownSource("s", known.source_hash, known.image)})
    coming = batch(known, row("t", {"a": 1}))
    assert plan_rows(state, coming, FieldWriter()).seen == {("note", "s")}
    assert set(plan_rows(state, coming, FieldWriter()).sources) == {("note", "t")}
    assert plan_rows(replace(state, full=False), coming, FieldWriter()).seen == set()


@pytest.mark.parametrize("gone", [(), (("nothing", "s"),)], ids=["row", "deleted key"])
def test_a_type_must_be_there(gone: tuple[SourceName, ...]) -> None:
    coming: list[SourceRow] = [] if gone else [row("s", {}, object_type="nothing")]
    with pytest.raises(ObjectTypeNotFound):
        plan_rows(EMPTY, batch(*coming, deleted_keys=gone), FieldWriter())


def test_rows_and_deleted_keys_have_one_limit() -> None:
    gone = tuple(("note", str(number)) for number in range(4999))
    check_row_batch(batch(row("s", {}), deleted_keys=gone))
    with pytest.raises(LimitReached):
        check_row_batch(batch(row("s", {}), row("t", {}), deleted_keys=gone))


def test_what_the_worker_refused_is_counted_and_told_first() -> None:
    refused = DETAIL._replace(value="\x00" * 300)
    coming = batch(row("s", {"a": 1}), details=(refused,), failed={"note": 2, "bad\x00": 1}, read=4, estimate=9)
    plan = plan_rows(EMPTY, coming, FieldWriter())
    assert plan.details == [DETAIL._replace(value="\ufffd" * DETAIL_VALUE_CHARS_MAX)]
    assert plan.counts == {"note": TypeCounts(inserted=1, failed=2), "bad\ufffd": TypeCounts(failed=1)}
    assert plan.progress == Progress(read=4, inserted=1, failed=3, estimate=9)


def test_a_detail_is_made_fit_to_be_kept() -> None:
    bad = Detail(Severity.SKIP, "\x00", 1, "\x00", "\ud800", "\udfff", "\x00")
    assert set(storable(bad)[3:]) == {"\ufffd"}
    assert storable(DETAIL) == DETAIL


@pytest.mark.parametrize(
    ("coming", "kept", "expected"),
    [(2, 0, (2, 0)), (2, DETAILS_MAX - 1, (1, 1)), (2, DETAILS_MAX, (0, 2)), (0, 5, (0, 0))],
)
def test_details_are_kept_up_to_a_limit(coming: int, kept: int, expected: tuple[int, int]) -> None:
    details, left_out = kept_details([DETAIL] * coming, kept)
    assert (len(details), left_out) == expected


def test_progress_grows() -> None:
    assert added(Progress(1, 2, 3, 4, 5, 6, 7, 8), Progress(1, 1, 1, 1, 1, 1, 1, 5)) == Progress(2, 3, 4, 5, 6, 7, 8, 8)
    before = {"note": TypeCounts(inserted=1)}
    assert added_counts(before, {"note": TypeCounts(1, 1), "task": TypeCounts(failed=2)}) == {
        "note": TypeCounts(inserted=2, updated=1),
        "task": TypeCounts(failed=2),
    }
    assert before == {"note": TypeCounts(inserted=1)}
