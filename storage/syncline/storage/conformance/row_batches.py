"""What a running request writes: rows, by the rules of `WorkStore.write_batch`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from syncline.storage.conformance.request_desk import LEASE_US, Desk, FieldWriter, batch, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.threads import together
from syncline.storage.conformance.uploader import Uploader, note, stands
from syncline.storage.contract import RowWriter
from syncline.storage.errors import BatchOutOfOrder, InvalidValue, LimitReached, ObjectTypeNotFound
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import (
    Detail,
    OnMatch,
    Progress,
    RowBatch,
    Severity,
    SourceRow,
    TypeCounts,
)
from syncline.storage.upload_models import CurrentRecord

LARGE = b"x" * ((1 << 20) + 1)
"""What no record may be."""


class NothingToMerge(FieldWriter):
    """For a test where there is nothing to merge."""

    def merge(self, *_: object, **__: object) -> RecordWrite:
        """Never called."""
        raise AssertionError("nothing is to be merged")


class LargeMerge(FieldWriter):
    """Makes records that are too large."""

    def merge(self, row: SourceRow, *_: object, now: int) -> RecordWrite:
        """See `RowWriter.merge`."""
        return self.write(row, now=now)._replace(frame=LARGE)


class NotedMerge(FieldWriter):
    """Remembers what it was asked for, and makes a record of its own."""

    def __init__(self) -> None:
        """Nothing was asked for yet."""
        super().__init__()
        self.seen: list[tuple[SourceRow, bytes, CurrentRecord]] = []

    def merge(self, row: SourceRow, known_image: bytes, current: CurrentRecord, *, now: int) -> RecordWrite:
        """See `RowWriter.merge`."""
        self.seen.append((row, known_image, current))
        return note("k", {"merged": now})


def write(desk: Desk, made: RowBatch, writer: RowWriter, **changes: Any) -> Progress:
    """Run a request of one batch with a writer of the test's own."""
    lease = desk.lease(**changes)
    desk.store.write_batch(lease, made, writer, lease_us=LEASE_US)
    return desk.end(lease).progress


class RowBatchConformance:
    """`WorkStore.write_batch`."""

    def test_new_rows_are_records(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        device = tenant.device()
        lease = desk.lease()
        now = tenant.now()
        result = desk.write(
            lease,
            row("s1", {"a": 1}, key="k1"),
            row("s2", {"a": 2}, key="k2"),
            row("s1", {"a": 3}, object_type="task"),
            now=now,
            cursor='{"page":2}',
            read=4,
            bytes=70,
            estimate=9,
            failed={"note": 1},
        )
        assert (result.written, result.cancel_asked) == (True, False)
        assert result.head_revision == tenant.head()
        assert result.lease_until == now + LEASE_US
        assert result.progress == Progress(read=4, inserted=3, failed=1, bytes=70, estimate=9)
        request = desk.get(lease.request_id)
        assert (request.progress, request.cursor) == (result.progress, '{"page":2}')
        assert (request.lease_until, request.modified_at) == (result.lease_until, now)
        assert desk.live() == {"k1": {"a": 1}, "k2": {"a": 2}}
        assert desk.live("task") == {"s1": {"a": 3}}
        assert {(item.object_type, item.key) for item in device.sync()} == {
            ("note", "k1"),
            ("note", "k2"),
            ("task", "s1"),
        }

    def test_an_unchanged_row_writes_nothing(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}))
        before = tenant.store.get_records(desk.account_id, "note", ["s"])
        device = tenant.device()
        device.sync()
        lease = desk.lease()
        result = desk.store.write_batch(lease, batch(row("s", {"a": 1})), NothingToMerge(), lease_us=LEASE_US)
        assert (result.written, result.progress) == (False, Progress(read=1, skipped=1))
        assert tenant.store.get_records(desk.account_id, "note", ["s"]) == before
        assert device.sync() == []
        assert desk.store.list_details(desk.account_id, lease.request_id, after=0, limit=9).details == ()

    def test_g8_an_unchanged_row_keeps_what_a_device_wrote(self, tenant: Tenant) -> None:
        """Whether a row changed is asked of the source, not of the record."""
        desk, device = Desk(tenant), Uploader(tenant)
        desk.run(row("s", {"a": 1, "b": 1}))
        device.one(device.update("s", {"a": (1, 5)}))
        assert desk.run(row("s", {"a": 1, "b": 1})) == Progress(read=1, skipped=1)
        assert stands(tenant, "s") == {"a": 5, "b": 1}

    def test_g8_a_changed_row_changes_what_the_source_changed(self, tenant: Tenant) -> None:
        desk, device = Desk(tenant), Uploader(tenant)
        desk.run(row("s", {"a": 1, "b": 1, "c": 1}))
        device.one(device.update("s", {"a": (1, 5)}))
        assert desk.run(row("s", {"a": 1, "b": 2, "c": 1})) == Progress(read=1, updated=1)
        assert stands(tenant, "s") == {"a": 5, "b": 2, "c": 1}
        assert desk.run(row("s", {"a": 1, "b": 2, "c": 3})) == Progress(read=1, updated=1)
        assert stands(tenant, "s") == {"a": 5, "b": 2, "c": 3}

    def test_g8_a_changed_row_is_merged_among_rows_that_are_as_they_were(self, tenant: Tenant) -> None:
        desk, device = Desk(tenant), Uploader(tenant)
        desk.run(row("s", {"a": 1, "b": 1}), row("t", {"a": 1}))
        device.one(device.update("s", {"b": (1, 5)}))
        rows = (row("t", {"a": 1}), row("s", {"a": 1, "b": 1}), row("s", {"a": 2, "b": 1}))
        assert desk.run(*rows) == Progress(read=3, updated=1, skipped=2)
        assert desk.live() == {"s": {"a": 2, "b": 5}, "t": {"a": 1}}

    def test_a_merge_sees_the_row_the_image_and_the_record(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        write(desk, batch(row("s", {"a": 1}, key="k")), FieldWriter("north"))
        tenant.write(note("k", {"a": 9}))
        (record,) = tenant.store.get_records(desk.account_id, "note", ["k"])
        noted = NotedMerge()
        changed = row("s", {"a": 2}, key="k")
        made = batch(changed)
        assert write(desk, made, noted) == Progress(read=1, updated=1)
        current = CurrentRecord("notes", "north", record.revision, record.frame, record.data_hash, b"", None)
        assert noted.seen == [(changed, b'{"a":1}', current)]
        assert desk.live() == {"k": {"merged": made.now}}
        assert tenant.store.get_records(desk.account_id, "note", ["k"])[0].bucket == "north"

    def test_a_merge_that_changes_nothing_is_skipped_and_remembered(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}))
        tenant.write(note("s", {"a": 2}))
        lease = desk.lease()
        result = desk.write(lease, row("s", {"a": 2}))
        assert (result.written, result.progress) == (False, Progress(read=1, skipped=1))
        assert write(desk, batch(row("s", {"a": 2}), number=1), NothingToMerge()) == Progress(read=1, skipped=1)

    def test_g10_a_row_brings_back_only_what_it_changed(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}))
        tenant.remove("s")
        assert desk.run(row("s", {"a": 1})) == Progress(read=1, skipped=1)
        assert desk.live() == {}
        assert write(desk, batch(row("s", {"a": 2})), NothingToMerge()) == Progress(read=1, inserted=1)
        assert desk.live() == {"s": {"a": 2}}

    @pytest.mark.parametrize(
        ("on_match", "severity", "progress"),
        [
            (OnMatch.SKIP, Severity.SKIP, Progress(read=2, inserted=1, skipped=1)),
            (OnMatch.ERROR, Severity.ERROR, Progress(read=2, inserted=1, failed=1)),
        ],
    )
    def test_a_row_may_refuse_to_meet_a_record(
        self, tenant: Tenant, on_match: OnMatch, severity: Severity, progress: Progress
    ) -> None:
        desk = Desk(tenant)
        tenant.write(note("there", {"a": 0}))
        lease = desk.lease()
        own = Detail(Severity.ERROR, "note", 7, "bad", "a", "bad", "x")
        result = desk.write(
            lease,
            row("s", {"a": 1}, key="there", on_match=on_match),
            row("t", {"a": 1}, on_match=on_match),
            details=(own,),
        )
        assert result.progress == progress
        assert desk.live() == {"there": {"a": 0}, "t": {"a": 1}}
        (_, first), (_, second) = desk.store.list_details(desk.account_id, lease.request_id, after=0, limit=9).details
        assert first == own
        assert (second.severity, second.object_type, second.source_key) == (severity, "note", "s")
        assert set(desk.store.known_sources(desk.account_id, None, "note", ["s", "t"])) == {"t"}

    def test_a_source_that_refuses_stays_as_it_was(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}))
        assert desk.run(row("s", {"a": 2}, on_match=OnMatch.SKIP)).skipped == 1
        assert desk.run(row("s", {"a": 1}, on_match=OnMatch.ERROR)) == Progress(read=1, skipped=1)
        assert desk.run(row("s", {"a": 3})) == Progress(read=1, updated=1)
        assert desk.live() == {"s": {"a": 3}}

    def test_a_new_source_takes_a_record_over(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        tenant.write(note("k", {"a": 1, "b": 1}), note("l", {"a": 1}))
        rows = (row("s", {"a": 2}, key="k"), row("l", {"a": 1}))
        assert write(desk, batch(*rows), NothingToMerge()) == Progress(read=2, updated=1, skipped=1)
        assert desk.live() == {"k": {"a": 2}, "l": {"a": 1}}

    def test_enrollments_have_sources_of_their_own(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        first, second = desk.enroll(), desk.enroll()
        for place, enrollment_id in enumerate((first, second, None)):
            made = row("1001", {"a": place}, key=f"k{place}")
            assert desk.run(made, enrollment_id=enrollment_id) == Progress(read=1, inserted=1)
        assert desk.live() == {"k0": {"a": 0}, "k1": {"a": 1}, "k2": {"a": 2}}
        hashes = [
            desk.store.known_sources(desk.account_id, enrollment_id, "note", ["1001", "1002"])
            for enrollment_id in (first, second, None)
        ]
        assert hashes == [{"1001": row("1001", {"a": place}).source_hash} for place in range(3)]
        assert desk.run(deleted=[("note", "1001")], enrollment_id=first) == Progress(deleted=1)
        assert desk.live() == {"k1": {"a": 1}, "k2": {"a": 2}}

    def test_a_deleted_row_takes_its_record_along_if_it_was_the_last(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        first, second = desk.enroll(), desk.enroll()
        for enrollment_id in (first, second):
            desk.run(row("s", {"a": 1}, key="k"), enrollment_id=enrollment_id)
        assert desk.run(deleted=[("note", "s"), ("note", "unknown")], enrollment_id=first) == Progress()
        assert desk.live() == {"k": {"a": 1}}
        assert desk.run(deleted=[("task", "s")], enrollment_id=second) == Progress()
        assert desk.run(deleted=[("note", "s"), ("note", "s")], enrollment_id=second) == Progress(deleted=1)
        assert desk.live() == {}
        assert desk.run(row("s", {"a": 1}, key="k"), enrollment_id=first) == Progress(read=1, inserted=1)

    def test_a_deleted_row_whose_record_is_gone_is_forgotten(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}))
        tenant.remove("s")
        assert desk.run(deleted=[("note", "s")]) == Progress()
        assert desk.store.known_sources(desk.account_id, None, "note", ["s"]) == {}

    def test_g10_the_last_of_two_sources_deletes_though_both_go_at_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollments = [desk.enroll() for _ in range(4)]
        rows = [row(f"s{number}", {"a": 1}) for number in range(10)]
        for enrollment_id in enrollments:
            desk.run(*rows, enrollment_id=enrollment_id)
        for enrollment_id in enrollments:
            desk.ask(enrollment_id=enrollment_id)
        leases = [desk.claimed() for _ in enrollments]
        deleted = tuple(("note", one.source_key) for one in rows)
        results = together(*(partial(desk.write, lease, deleted_keys=deleted) for lease in leases))
        assert desk.live() == {}
        assert sum(result.progress.deleted for result in results) == 10

    def test_a_row_that_moves_leaves_its_old_record(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        enrollment_id = desk.enroll()
        desk.run(row("s", {"a": 1}, key="old"), row("t", {"a": 1}, key="shared"), enrollment_id=enrollment_id)
        desk.run(row("t", {"a": 1}, key="shared"))
        moved = batch(row("s", {"a": 2}, key="new"), row("t", {"a": 2}, key="new"))
        lease = desk.lease(enrollment_id=enrollment_id)
        progress = desk.store.write_batch(lease, moved, NothingToMerge(), lease_us=LEASE_US).progress
        assert progress == Progress(read=2, inserted=1, deleted=1, skipped=1)
        desk.end(lease)
        assert desk.live() == {"new": {"a": 2}, "shared": {"a": 1}}
        assert desk.run(deleted=[("note", "s")], enrollment_id=enrollment_id).deleted == 0
        assert desk.run(deleted=[("note", "t")], enrollment_id=enrollment_id).deleted == 1

    def test_rows_that_change_places_both_stay(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}, key="k"), row("t", {"a": 2}, key="l"))
        desk.run(row("s", {"a": 3}, key="l"), row("t", {"a": 4}, key="k"))
        assert desk.live() == {"k": {"a": 4}, "l": {"a": 3}}
        assert desk.run(deleted=[("note", "s")]).deleted == 1
        assert desk.live() == {"k": {"a": 4}}

    def test_later_rows_of_a_batch_see_what_earlier_ones_did(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        progress = desk.run(
            row("s", {"a": 1, "b": 1}),
            row("s", {"a": 1, "b": 1}),
            row("s", {"a": 1, "b": 2}),
            row("t", {"a": 7}, key="s", on_match=OnMatch.SKIP),
            row("u", {"a": 1}),
            row("u", {"a": 2}, key="v"),
            row("w", {"a": 1}),
            deleted=[("note", "w")],
        )
        assert progress == Progress(read=7, inserted=4, updated=1, deleted=2, skipped=2)
        assert desk.live() == {"s": {"a": 1, "b": 2}, "v": {"a": 2}}
        known = desk.store.known_sources(desk.account_id, None, "note", ["s", "t", "u", "v", "w"])
        assert known == {"s": row("s", {"a": 1, "b": 2}).source_hash, "u": row("u", {"a": 2}).source_hash}

    def test_source_keys_compare_by_code_point(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        keys = ["", "a", "A", "a ", "ä", "%", "x" * 1024]
        assert desk.run(*(row(key, {"a": 1}) for key in keys)).inserted == len(keys)
        assert set(desk.store.known_sources(desk.account_id, None, "note", keys)) == set(keys)

    def test_g11_a_batch_that_comes_again_does_nothing(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, row("a", {"a": 1}), cursor="1")
        first = desk.write(lease, row("b", {"a": 1}), cursor="2", number=2, failed={"note": 1})
        stood = desk.get(lease.request_id)
        again = desk.write(lease, row("b", {"a": 2}), row("c", {"a": 1}), cursor="3", number=2, failed={"note": 1})
        assert again.progress == first.progress
        assert (again.written, again.head_revision) == (False, tenant.head())
        assert desk.get(lease.request_id).cursor == stood.cursor == "2"
        assert desk.live() == {"a": {"a": 1}, "b": {"a": 1}}
        assert desk.store.count_types(desk.account_id, lease.request_id) == {"note": TypeCounts(inserted=2, failed=1)}

    def test_g11_a_batch_sent_from_many_threads_is_written_once(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        results = together(*[partial(desk.write, lease, row("a", {"a": 1}), read=3)] * 6)
        assert {result.progress for result in results} == {Progress(read=3, inserted=1)}
        assert [result.written for result in results].count(True) == 1

    @pytest.mark.parametrize("number", [-1, 0, 1, 4])
    def test_g11_a_batch_out_of_order_is_refused(self, tenant: Tenant, number: int) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        for done in (1, 2):
            desk.write(lease, number=done)
        stood = desk.get(lease.request_id)
        with pytest.raises(BatchOutOfOrder):
            desk.write(lease, row("a", {"a": 1}), number=number)
        assert desk.get(lease.request_id) == stood
        assert desk.live() == {}

    @pytest.mark.parametrize(
        ("rows", "changes", "error"),
        [
            ([row("bad", {}, object_type="nothing")], {}, ObjectTypeNotFound),
            ([], {"deleted_keys": (("nothing", "s"),)}, ObjectTypeNotFound),
            ([row("a\x00b", {}, key="k")], {}, InvalidValue),
            ([row("x" * 1025, {}, key="k")], {}, InvalidValue),
            ([row("s", {}, key="x" * 1025)], {}, InvalidValue),
            ([row("large", {})._replace(image=LARGE)], {}, LimitReached),
            ([row("s", {})] * 5000, {}, LimitReached),
        ],
        ids=["type", "deleted type", "nul", "source key", "key", "frame", "rows"],
    )
    def test_a_refused_batch_of_rows_leaves_nothing(
        self, tenant: Tenant, rows: Sequence[SourceRow], changes: dict[str, Any], error: type[Exception]
    ) -> None:
        desk = Desk(tenant)
        lease = desk.lease()
        desk.write(lease, row("s", {"a": 1}))
        stood = desk.get(lease.request_id)
        with pytest.raises(error):
            desk.write(lease, row("new", {"a": 1}), *rows, number=2, cursor="2", **changes)
        assert desk.get(lease.request_id) == stood
        assert desk.live() == {"s": {"a": 1}}
        assert desk.write(lease, row("new", {"a": 1}), number=2).progress.inserted == 2

    def test_a_merge_that_fails_leaves_nothing(self, tenant: Tenant) -> None:
        desk = Desk(tenant)
        desk.run(row("s", {"a": 1}))
        lease = desk.lease()
        with pytest.raises(LimitReached):
            desk.store.write_batch(
                lease, batch(row("t", {"a": 1}), row("s", {"a": 2})), LargeMerge(), lease_us=LEASE_US
            )
        assert desk.live() == {"s": {"a": 1}}
        assert desk.store.write_batch(lease, batch(), FieldWriter(), lease_us=LEASE_US).progress == Progress()

    def test_g1_rows_and_changes_of_devices_line_up(self, tenant: Tenant) -> None:
        """A request adds to one field while devices write another: neither loses what the other one wrote."""
        desk = Desk(tenant)
        desk.run(row("s", {"a": 0, "b": 0}))
        devices = [Uploader(tenant) for _ in range(3)]
        lease = desk.lease()

        def write_rows() -> None:
            for number in range(1, 11):
                desk.write(lease, row("s", {"a": number, "b": 0}), number=number)

        def upload(device: Uploader, name: str) -> None:
            for number in range(5):
                device.one(device.update("s", {name: (number or None, number + 1)}))

        names = ("c", "d", "e")
        together(write_rows, *(partial(upload, device, name) for device, name in zip(devices, names, strict=True)))
        assert stands(tenant, "s") == {"a": 10, "b": 0, "c": 5, "d": 5, "e": 5}
