"""Frames: bytes in are bytes out."""

from __future__ import annotations

import random

import pytest

from syncline.storage.conformance.tenant import Tenant, record
from syncline.storage.models import WriteOutcome

FRAMES = {
    "empty": b"",
    "every byte": bytes(range(256)),
    "nul": b"\x00",
    "not utf-8": b"\xff\xfe\x80",
    "json with escapes": b'{"a":"\\u0000\\\\","b":9007199254740993,"c":1e400}',
    "looks like hex": b"\\x00ff",
    "looks like text": "größe 😀".encode(),
    "large": random.Random(1).randbytes(300_000),
}


class PayloadConformance:
    """A store looks neither into frames nor into hashes."""

    @pytest.mark.parametrize("kind", FRAMES)
    def test_a_frame_comes_out_as_it_went_in(self, tenant: Tenant, kind: str) -> None:
        tenant.put("a", FRAMES[kind])
        (row,) = tenant.store.get_records(tenant.account_id, "note", ["a"])
        assert row.frame == FRAMES[kind]
        (scanned,) = tenant.store.scan_records(tenant.account_id, "note", after_key=None, limit=1)
        assert scanned.frame == FRAMES[kind]
        device = tenant.device()
        device.sync()
        assert device.frames() == {("note", "a"): FRAMES[kind]}

    def test_frames_are_plain_bytes(self, tenant: Tenant) -> None:
        tenant.put("a", b"frame")
        (row,) = tenant.store.get_records(tenant.account_id, "note", ["a"])
        (item,) = tenant.device().sync()
        assert (type(row.frame), type(row.data_hash), type(item.frame)) == (bytes, bytes, bytes)

    def test_an_empty_frame_is_no_delete(self, tenant: Tenant) -> None:
        tenant.put("a", b"")
        assert tenant.store.count_records(tenant.account_id)["note"] == 1
        assert [item.frame for item in tenant.device().sync()] == [b""]

    def test_hashes_decide_and_not_frames(self, tenant: Tenant) -> None:
        first = record("a", b"one")
        tenant.write(first)
        assert tenant.write(first._replace(frame=b"two")).outcomes == (WriteOutcome.UNCHANGED,)
        (row,) = tenant.store.get_records(tenant.account_id, "note", ["a"])
        assert row.frame == b"one"

    @pytest.mark.parametrize("data_hash", [b"", b"\x00", bytes(range(32)), b"\xff" * 64])
    def test_any_hash_is_kept(self, tenant: Tenant, data_hash: bytes) -> None:
        write = record("a", b"one")._replace(data_hash=data_hash)
        tenant.write(write)
        (row,) = tenant.store.get_records(tenant.account_id, "note", ["a"])
        assert row.data_hash == data_hash
        assert tenant.write(write).outcomes == (WriteOutcome.UNCHANGED,)
