"""Comparing ranges of keys."""

from __future__ import annotations

import pytest

from syncline.data.canonical import data_hash
from syncline.storage.conformance.tenant import SECOND, Tenant, record
from syncline.storage.conformance.uploader import note
from syncline.storage.errors import DeviceNotFound, InvalidValue, ObjectTypeNotFound, ResyncRequired
from syncline.storage.models import KeyRange, RangeEntry, RangeRows

ALL = KeyRange(None, None)


def read(
    tenant: Tenant, *ranges: KeyRange, bucket: str = "", known: int | None = None, limit: int = 100
) -> list[RangeRows]:
    """Read ranges of notes as a device that is granted the bucket and knows all there is, unless told."""
    device_uuid = tenant.register(bucket)
    known_revision = tenant.head() if known is None else known
    return tenant.store.read_ranges(
        tenant.account_id, device_uuid, "note", bucket, ranges, known_revision=known_revision, limit=limit
    )


def keys(rows: RangeRows) -> list[str]:
    """The keys of a range's entries."""
    return [entry.key for entry in rows.entries]


class ReconcileConformance:
    """`ReconcileStore`."""

    def test_a_range_shows_what_lives(self, tenant: Tenant) -> None:
        result = tenant.write(note("b", {"b": 1}), note("a", {"a": 1}), note("c", {"c": 1}))
        tenant.write(record("a", object_type="task"), note("other", {"a": 1}, bucket="north"))
        tenant.remove("c")
        (rows,) = read(tenant, ALL)
        assert rows == RangeRows(
            entries=(
                RangeEntry("a", result.revisions[1], data_hash(b'{"a":1}')),
                RangeEntry("b", result.revisions[0], data_hash(b'{"b":1}')),
            ),
            cut=False,
        )
        assert read(tenant) == []

    def test_ranges_divide_the_keys(self, tenant: Tenant) -> None:
        everything = ["", "A", "a", "a ", "aa", "b", "ä", "ﬀ", "😀"]
        tenant.write(*(note(key, {"a": 1}) for key in everything))
        ranges = [KeyRange(None, "a"), KeyRange("a", "b"), KeyRange("b", None), KeyRange("b", "a"), KeyRange("", "")]
        first, second, third, *empty = read(tenant, *ranges)
        assert keys(first) == ["", "A", "a"]
        assert keys(second) == ["a ", "aa", "b"]
        assert keys(third) == ["ä", "ﬀ", "😀"]
        assert empty == [RangeRows((), cut=False)] * 2
        assert keys(read(tenant, ALL)[0]) == everything

    def test_what_went_since_is_shown_without_a_hash(self, tenant: Tenant) -> None:
        tenant.write(*(note(key, {"a": 1}) for key in ("kept", "gone", "moved", "long gone", "long moved", "back")))
        tenant.remove("long gone")
        tenant.write(note("long moved", {"a": 1}, bucket="north"), note("back", {"a": 1}, bucket="north"))
        known = tenant.head()
        gone = tenant.remove("gone")
        moved = tenant.write(note("moved", {"a": 1}, bucket="north")).revisions[0]
        back = tenant.write(note("back", {"a": 1}, bucket="")).revisions[0]
        (rows,) = read(tenant, ALL, known=known)
        assert {entry.key: (entry.revision, bool(entry.data_hash)) for entry in rows.entries} == {
            "back": (back, True),
            "gone": (gone, False),
            "kept": (1, True),
            "moved": (moved, False),
        }
        assert keys(rows) == ["back", "gone", "kept", "moved"]
        assert keys(read(tenant, ALL, known=tenant.head())[0]) == ["back", "kept"]
        assert keys(read(tenant, ALL, bucket="north", known=known)[0]) == ["back", "long moved", "moved"]

    def test_a_long_range_is_cut(self, tenant: Tenant) -> None:
        tenant.write(*(note(f"k{number}", {"a": number}) for number in range(7)))
        known = tenant.head()
        tenant.write(note("k3", {"a": 3}, bucket="north"))
        tenant.remove("k5")
        whole, cut, exact = read(tenant, ALL, KeyRange("k0", None), KeyRange(None, "k4"), known=known, limit=5)
        assert (keys(whole), whole.cut) == (["k0", "k1", "k2", "k3", "k4"], True)
        assert (keys(cut), cut.cut) == (["k1", "k2", "k3", "k4", "k5"], True)
        assert (keys(exact), exact.cut) == (["k0", "k1", "k2", "k3", "k4"], False)

    def test_what_cannot_be_compared_is_refused(self, tenant: Tenant) -> None:
        store, account_id = tenant.store, tenant.account_id
        device_uuid = tenant.register("north")

        def ask(object_type: str = "note", bucket: str = "north", *ranges: KeyRange) -> list[RangeRows]:
            return store.read_ranges(account_id, device_uuid, object_type, bucket, ranges, known_revision=0, limit=5)

        assert ask() == []
        with pytest.raises(ObjectTypeNotFound):
            ask("nothing")
        with pytest.raises(ResyncRequired) as refused:
            ask("photo", "")
        assert refused.value.feeds == (("media", ""),)
        with pytest.raises(InvalidValue):
            ask("note", "north", KeyRange("bad\x00", None))
        store.collect(account_id, devices_seen_before=tenant.now() + SECOND, now=tenant.now())
        with pytest.raises(ResyncRequired):
            ask()
        device_uuid = Tenant(store).register()
        with pytest.raises(DeviceNotFound):
            ask()
