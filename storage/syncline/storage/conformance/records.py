"""Writing records, and reading them by key."""

from __future__ import annotations

import pytest

from syncline.storage.conformance.tenant import NOW, Tenant, numbered, record, removal
from syncline.storage.errors import LimitReached, ObjectTypeNotFound
from syncline.storage.models import Record, WriteOutcome

INSERTED, UPDATED = WriteOutcome.INSERTED, WriteOutcome.UPDATED
DELETED, UNCHANGED = WriteOutcome.DELETED, WriteOutcome.UNCHANGED


def one(tenant: Tenant, key: str, object_type: str = "note") -> Record:
    """The row of this key."""
    (row,) = tenant.store.get_records(tenant.account_id, object_type, [key])
    return row


class RecordConformance:
    """`RecordStore`."""

    def test_a_record_comes_out_as_it_went_in(self, tenant: Tenant) -> None:
        write = record("a", b"frame", bucket="north", modified_at=NOW + 7)
        result = tenant.write(write)
        assert result.outcomes == (INSERTED,)
        assert one(tenant, "a") == Record(
            object_type="note",
            key="a",
            scope="notes",
            bucket="north",
            revision=result.revisions[0],
            entered_revision=result.revisions[0],
            frame=b"frame",
            data_hash=write.data_hash,
            modified_at=NOW + 7,
        )

    def test_the_default_bucket_is_the_empty_string(self, tenant: Tenant) -> None:
        tenant.put("a")
        assert one(tenant, "a").bucket == ""

    def test_no_writes_are_no_change(self, tenant: Tenant) -> None:
        result = tenant.write()
        assert (result.outcomes, result.revisions) == ((), ())

    def test_g1_revisions_ascend_in_the_order_of_the_writes(self, tenant: Tenant) -> None:
        first = tenant.write(*(record(key) for key in "zmab"))
        second = tenant.write(*(record(key, b"2") for key in "bzam"))
        revisions = [*first.revisions, *second.revisions]
        assert revisions == sorted(set(revisions))
        assert revisions[0] > 0
        assert second.head_revision >= revisions[-1]
        assert tenant.head() == second.head_revision

    def test_a_change_is_an_update_at_a_new_revision(self, tenant: Tenant) -> None:
        first = tenant.put("a", b"1")
        result = tenant.write(record("a", b"2", modified_at=NOW + 1))
        assert result.outcomes == (UPDATED,)
        row = one(tenant, "a")
        assert (row.revision, row.entered_revision) == (result.revisions[0], first)
        assert (row.frame, row.modified_at) == (b"2", NOW + 1)

    def test_the_same_hash_changes_nothing(self, tenant: Tenant) -> None:
        revision = tenant.put("a", b"1")
        result = tenant.write(record("a", b"1", modified_at=NOW + 1))
        assert (result.outcomes, result.revisions) == ((UNCHANGED,), (revision,))
        assert (one(tenant, "a").revision, one(tenant, "a").modified_at) == (revision, NOW)

    def test_the_same_hash_in_another_bucket_is_a_move(self, tenant: Tenant) -> None:
        first = tenant.put("a", b"1", bucket="north")
        result = tenant.write(record("a", b"1", bucket="south"))
        assert result.outcomes == (UPDATED,)
        row = one(tenant, "a")
        assert (row.bucket, row.entered_revision) == ("south", result.revisions[0])
        assert row.revision > first

    def test_a_write_without_a_bucket_leaves_the_record_where_it_is(self, tenant: Tenant) -> None:
        tenant.put("a", b"1", bucket="north")
        assert tenant.write(record("a", b"1")).outcomes == (UNCHANGED,)
        assert tenant.write(record("a", b"2")).outcomes == (UPDATED,)
        assert one(tenant, "a").bucket == "north"

    def test_a_delete_leaves_a_tombstone(self, tenant: Tenant) -> None:
        tenant.put("a", b"1", bucket="north")
        result = tenant.write(removal("a", modified_at=NOW + 3))
        assert result.outcomes == (DELETED,)
        row = one(tenant, "a")
        assert (row.frame, row.bucket, row.revision) == (None, "north", result.revisions[0])
        assert row.modified_at == NOW + 3

    def test_deleting_what_is_not_there_changes_nothing(self, tenant: Tenant) -> None:
        tenant.put("a")
        revision = tenant.remove("a")
        result = tenant.write(removal("a"), removal("never"))
        assert result.outcomes == (UNCHANGED, UNCHANGED)
        assert result.revisions[1] == 0
        assert one(tenant, "a").revision == revision
        assert tenant.store.get_records(tenant.account_id, "note", ["never"]) == []

    def test_a_deleted_record_comes_to_life_as_an_insert(self, tenant: Tenant) -> None:
        tenant.put("a", b"1", bucket="north")
        tenant.remove("a")
        result = tenant.write(record("a", b"1"))
        assert result.outcomes == (INSERTED,)
        row = one(tenant, "a")
        assert (row.bucket, row.frame) == ("north", b"1")
        assert row.entered_revision == row.revision == result.revisions[0]

    def test_a_later_write_of_the_batch_sees_the_earlier_one(self, tenant: Tenant) -> None:
        result = tenant.write(
            record("a", b"1"),
            record("a", b"1"),
            record("a", b"2"),
            removal("a"),
            removal("a"),
            record("a", b"2", bucket="north"),
        )
        assert result.outcomes == (INSERTED, UNCHANGED, UPDATED, DELETED, UNCHANGED, INSERTED)
        assert result.revisions[1] == result.revisions[0]
        row = one(tenant, "a")
        assert (row.revision, row.bucket, row.frame) == (result.revisions[5], "north", b"2")

    def test_equal_keys_of_different_types_are_different_records(self, tenant: Tenant) -> None:
        tenant.write(record("a", b"note"), record("a", b"task", object_type="task"))
        assert one(tenant, "a").frame == b"note"
        assert one(tenant, "a", "task").frame == b"task"

    def test_an_unknown_type_refuses_the_batch(self, tenant: Tenant) -> None:
        with pytest.raises(ObjectTypeNotFound):
            tenant.write(record("a"), record("b", object_type="nothing"))
        assert tenant.store.get_records(tenant.account_id, "note", ["a"]) == []

    def test_5000_writes_are_one_transaction(self, tenant: Tenant) -> None:
        result = tenant.write(*numbered(5000))
        assert set(result.outcomes) == {INSERTED}
        assert list(result.revisions) == sorted(set(result.revisions))
        with pytest.raises(LimitReached):
            tenant.write(*numbered(5001))

    def test_a_frame_has_at_most_a_mebibyte(self, tenant: Tenant) -> None:
        tenant.put("a", b"x" * (1 << 20))
        assert len(one(tenant, "a").frame or b"") == 1 << 20
        with pytest.raises(LimitReached):
            tenant.put("b", b"x" * ((1 << 20) + 1))

    def test_many_keys_are_read_at_once(self, tenant: Tenant) -> None:
        tenant.write(*numbered(1200))
        keys = [f"n{number:05}" for number in range(0, 2400, 2)]
        rows = tenant.store.get_records(tenant.account_id, "note", keys)
        assert sorted(row.key for row in rows) == keys[:600]
        assert tenant.store.get_records(tenant.account_id, "note", []) == []

    def test_a_scan_pages_through_live_records_by_key(self, tenant: Tenant) -> None:
        tenant.write(*numbered(10), record("other", object_type="task"))
        tenant.remove("n00003")
        found: list[str] = []
        after: str | None = None
        while page := tenant.store.scan_records(tenant.account_id, "note", after_key=after, limit=4):
            assert len(page) <= 4
            found.extend(row.key for row in page)
            after = found[-1]
        assert found == [f"n{number:05}" for number in range(10) if number != 3]

    def test_records_are_counted_by_type(self, tenant: Tenant) -> None:
        tenant.write(record("a"), record("b", bucket="north"), record("a", object_type="task"), record("c"))
        tenant.remove("c")
        assert tenant.store.count_records(tenant.account_id) == {"note": 2, "task": 1, "photo": 0}
