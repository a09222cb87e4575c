"""Names: collation, case, blanks, the empty string, very long ones, and those that no store takes."""

from __future__ import annotations

import unicodedata
from uuid import uuid4

import pytest

from syncline.storage.conformance.reference_device import refuse_everything
from syncline.storage.conformance.tenant import NOTES, NOW, Tenant, opening, record, schema
from syncline.storage.contract import Store
from syncline.storage.errors import AccountNotFound, InvalidValue
from syncline.storage.models import Feed, Refusal

LOOK_ALIKES = (
    "",
    " ",
    "  ",
    "a",
    "A",
    "a ",
    " a",
    "a\t",
    "a\n",
    "á",
    unicodedata.normalize("NFD", "á"),
    "\N{FULLWIDTH LATIN SMALL LETTER A}",
    "ß",
    "ss",
    "SS",
    "i",
    "I",
    "\N{LATIN SMALL LETTER DOTLESS I}",
    "İ",
    "1",
    "01",
    "1.0",
    "null",
    "%",
    "_",
    "a%",
    "\\",
    "'",
    '"',
    "a'; DROP TABLE record; --",
    "\x01",
    "\x7f",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\uffff",
    "\U00010000",
    "😀",
    "👩‍👩‍👧",
    "\U0010ffff",
    "~",
)
"""Names that a careless database takes for each other, or for something else."""

BAD = ("a\x00b", "\x00", "\ud800", "a\udfff")
"""Names that no store takes."""


class NameConformance:
    """Strings compare by code point, everywhere."""

    def test_look_alike_keys_are_different_records(self, tenant: Tenant) -> None:
        tenant.write(*(record(key, key.encode() + b"!") for key in LOOK_ALIKES))
        rows = tenant.store.get_records(tenant.account_id, "note", LOOK_ALIKES)
        assert {row.key: row.frame for row in rows} == {key: key.encode() + b"!" for key in LOOK_ALIKES}
        for key in LOOK_ALIKES:
            (row,) = tenant.store.get_records(tenant.account_id, "note", [key])
            assert row.key == key

    def test_a_scan_goes_by_code_point(self, tenant: Tenant) -> None:
        tenant.write(*(record(key) for key in LOOK_ALIKES))
        found: list[str] = []
        after: str | None = None
        while page := tenant.store.scan_records(tenant.account_id, "note", after_key=after, limit=3):
            found.extend(row.key for row in page)
            after = found[-1]
        assert found == sorted(LOOK_ALIKES)

    def test_look_alike_keys_reach_a_device(self, tenant: Tenant) -> None:
        tenant.write(*(record(key, key.encode()) for key in LOOK_ALIKES))
        device = tenant.device()
        device.sync(max_items=7, refuses=lambda item: item.key in LOOK_ALIKES[::2])
        device.sync(max_items=5)
        assert device.frames() == {("note", key): key.encode() for key in LOOK_ALIKES}
        assert device.start().session is None

    def test_look_alike_buckets_are_different_feeds(self, tenant: Tenant) -> None:
        tenant.write(*(record(f"in {bucket}", bucket=bucket) for bucket in LOOK_ALIKES))
        for bucket in LOOK_ALIKES[::5]:
            assert [item.key for item in tenant.device(bucket).sync()] == [f"in {bucket}"]
        everywhere = tenant.device(*LOOK_ALIKES)
        everywhere.sync(scopes=(NOTES,))
        assert {row.feed.bucket for row in everywhere.file.rows.values()} == set(LOOK_ALIKES)

    def test_look_alike_types_and_scopes_are_different(self, store: Store) -> None:
        names = {"note": "s", "Note": "S", "note ": "s ", "nóte": "ś", "": ""}
        account_id = uuid4().hex
        store.create_account(account_id)
        store.write_schema(account_id, schema(names), expected_version=0)
        store.write_records(account_id, [record("k", name.encode(), object_type=name) for name in names])
        for name, scope in names.items():
            (row,) = store.get_records(account_id, name, ["k"])
            assert (row.scope, row.frame) == (scope, name.encode())
        assert store.count_records(account_id) == dict.fromkeys(names, 1)
        device_uuid = uuid4()
        store.register_device(account_id, device_uuid, now=NOW)
        opened = store.open_queue(account_id, device_uuid, opening(scopes=("S", "s ")))
        assert {entry.position.feed for entry in opened.feeds} == {Feed("S", ""), Feed("s ", "")}

    def test_look_alike_accounts_are_different(self, store: Store) -> None:
        stem = uuid4().hex
        names = [stem + "a", stem + "A", stem + "a ", stem + "á"]
        for number, account_id in enumerate(names):
            store.create_account(account_id)
            store.write_schema(account_id, schema(), expected_version=0)
            store.write_records(account_id, [record(f"k{n}") for n in range(number)])
        assert [store.count_records(account_id)["note"] for account_id in names] == [0, 1, 2, 3]
        with pytest.raises(AccountNotFound):
            store.get_head(stem)

    @pytest.mark.parametrize("character", ["k", "é", "漢", "😀"])
    def test_keys_of_1024_characters(self, tenant: Tenant, character: str) -> None:
        stem = character * 1023
        keys = [stem + "a", stem + "b", stem]
        tenant.write(*(record(key, b"%d" % number) for number, key in enumerate(keys)))
        device = tenant.device()
        device.sync()
        assert device.frames() == {("note", key): b"%d" % number for number, key in enumerate(keys)}
        found = tenant.store.scan_records(tenant.account_id, "note", after_key=None, limit=10)
        assert [row.key for row in found] == sorted(keys)

    def test_long_keys_refused_and_sent_again(self, tenant: Tenant) -> None:
        keys = ["😀" * 1023 + end for end in "abc"]
        tenant.write(*(record(key) for key in keys))
        device = tenant.device()
        device.sync(refuses=refuse_everything)
        assert [item.key for item in device.sync(max_items=1)] == keys
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []

    @pytest.mark.parametrize("bad", BAD)
    def test_nul_and_lone_surrogates_are_refused_in_writes(self, tenant: Tenant, bad: str) -> None:
        for write in (record(bad), record("k", bucket=bad), record("k", object_type=bad)):
            with pytest.raises(InvalidValue):
                tenant.write(record("good"), write)
        assert tenant.store.get_records(tenant.account_id, "note", ["good", "k"]) == []
        with pytest.raises(InvalidValue):
            tenant.store.write_schema(tenant.account_id, schema({bad: "s"}), expected_version=1)
        with pytest.raises(InvalidValue):
            tenant.store.write_schema(tenant.account_id, schema({"t": bad}), expected_version=1)
        with pytest.raises(InvalidValue):
            tenant.store.create_account(bad)

    @pytest.mark.parametrize("bad", BAD)
    def test_nul_and_lone_surrogates_are_refused_in_questions(self, tenant: Tenant, bad: str) -> None:
        store, account_id, device_uuid = tenant.store, tenant.account_id, tenant.register()
        refusal = Refusal("note", bad, 1, "")
        calls = (
            lambda: store.get_head(bad),
            lambda: store.get_records(account_id, "note", [bad]),
            lambda: store.get_records(account_id, bad, ["k"]),
            lambda: store.scan_records(account_id, "note", after_key=bad, limit=1),
            lambda: store.grant_buckets(account_id, device_uuid, [bad]),
            lambda: store.revoke_buckets(account_id, device_uuid, [bad]),
            lambda: store.get_session(account_id, device_uuid, bad, now=NOW, expire_at=NOW),
            lambda: store.open_queue(account_id, device_uuid, opening(scopes=(bad,))),
            lambda: store.open_queue(account_id, device_uuid, opening(buckets={NOTES: frozenset({bad})})),
            lambda: store.open_queue(account_id, device_uuid, opening(refused=(refusal,))),
            lambda: store.open_queue(account_id, device_uuid, opening(client=bad)),
            lambda: store.acknowledge(account_id, device_uuid, [], [], [refusal], now=NOW),
            lambda: store.acknowledge(account_id, device_uuid, [], [], [Refusal("note", "k", 1, bad)], now=NOW),
            lambda: store.put_back(account_id, device_uuid, [("note", bad)]),
            lambda: store.get_floor(account_id, bad, ""),
        )
        for call in calls:
            with pytest.raises(InvalidValue):
                call()
