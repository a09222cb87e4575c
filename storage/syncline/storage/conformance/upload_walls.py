"""Walls between buckets, devices and accounts for what is uploaded (G9)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncline.data.changes import Operation, Verdict
from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.tenant import NOW, Tenant
from syncline.storage.conformance.uploader import Uploader, json_judge, note, stands
from syncline.storage.contract import Store
from syncline.storage.models import RecordWrite
from syncline.storage.upload_models import Change, ChangeAnswer, CurrentRecord, Decision

APPLIED, REJECTED, SERVER_WON = Verdict.APPLIED, Verdict.REJECTED, Verdict.SERVER_WON


def refusal_of(answer: ChangeAnswer) -> tuple[Verdict, str, str, bytes | None]:
    """The verdict, the reason, the field, and what the answer shows of a record."""
    assert answer.refusal is not None
    return answer.verdict, answer.refusal.reason, answer.refusal.field, answer.frame


def reviving(change: Change, current: CurrentRecord | None, news: bool) -> Decision:
    """A judge that brings back whatever is not there."""
    del news
    assert current is None
    return Decision(Verdict.MERGED, RecordWrite(change.object_type, change.key, b"{}", b"revived", NOW))


class UploadWallConformance:
    """What a device may not see, it can neither change nor find out about."""

    def test_g9_a_bucket_that_is_not_granted_takes_nothing(self, tenant: Tenant) -> None:
        device = Uploader(tenant, "north")
        for bucket in ("", "south"):
            answer = device.one(device.insert("k" + bucket, {"a": 1}, bucket=bucket))
            assert refusal_of(answer) == (REJECTED, "BUCKET_NOT_GRANTED", "bucket", None)
        assert device.one(device.insert("new", {"a": 1}, bucket="north")).verdict is APPLIED
        assert tenant.store.count_records(tenant.account_id)["note"] == 1

    @pytest.mark.parametrize("policy", ConflictPolicy)
    def test_g9_a_key_in_another_bucket_is_taken(self, tenant: Tenant, policy: ConflictPolicy) -> None:
        tenant.write(note("k", {"a": 1}, bucket="south"))
        device = Uploader(tenant, "north", judge=json_judge(policy))
        answer = device.one(device.insert("k", {"a": 1}, bucket="north"))
        assert refusal_of(answer) == (REJECTED, "KEY_TAKEN", "key", None)
        assert answer.conflict is None
        assert tenant.store.get_records(tenant.account_id, "note", ["k"])[0].bucket == "south"

    @pytest.mark.parametrize("policy", ConflictPolicy)
    @pytest.mark.parametrize("operation", [Operation.UPDATE, Operation.DELETE])
    def test_g9_a_record_in_another_bucket_is_as_one_that_is_not_there(
        self, tenant: Tenant, policy: ConflictPolicy, operation: Operation
    ) -> None:
        tenant.write(note("hidden", {"a": 1}, bucket="south"))
        row = tenant.store.get_records(tenant.account_id, "note", ["hidden"])
        device = Uploader(tenant, "", "north", judge=json_judge(policy))
        answers = []
        for key in ("absent", "hidden"):
            if operation is Operation.UPDATE:
                change = device.update(key, {"a": (1, 2)})
            else:
                change = device.delete(key, {"a": 1})
            head = tenant.head()
            answer = device.one(change)
            assert answer.revision in {0, head}
            conflict = answer.conflict
            if conflict is not None:
                conflict = replace(conflict, conflict_id=0, key="", change_uuid=b"", revision=0, decided_at=0)
            answers.append(answer._replace(change_seq=0, revision=0, conflict=conflict))
        assert answers[0] == answers[1]
        assert tenant.store.get_records(tenant.account_id, "note", ["hidden"]) == row

    def test_g9_nothing_is_brought_back_over_a_wall(self, tenant: Tenant) -> None:
        tenant.write(
            note("hidden", {"a": 1}, bucket="south"), note("left", {"a": 1}, bucket="south"), note("gone", {"a": 1})
        )
        tenant.remove("left")
        tenant.remove("gone")
        walled, device = Uploader(tenant, "north", judge=reviving), Uploader(tenant, judge=reviving)
        for key in ("hidden", "gone", "never"):
            assert walled.one(walled.update(key, {"a": (1, 2)})).verdict is SERVER_WON
        assert device.one(device.update("hidden", {"a": (1, 2)})).verdict is SERVER_WON
        assert (stands(tenant, "hidden"), stands(tenant, "gone")) == ({"a": 1}, None)
        for key in ("left", "gone", "never"):
            assert device.one(device.update(key, {"a": (1, 2)})).frame == b"{}"
        rows = tenant.store.get_records(tenant.account_id, "note", ["left", "gone", "never"])
        assert {row.bucket for row in rows} == {""}

    def test_g9_a_wall_that_came_up_since_hides_the_record(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}, bucket="north"))
        device = Uploader(tenant, "", "north")
        lost = device.update("k", {"a": (0, 2)})
        assert device.one(lost).frame == b'{"a":1}'
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["north"])
        answer = device.one(lost)
        assert (answer.verdict, answer.frame) == (SERVER_WON, None)
        assert device.one(device.update("k", {"a": (1, 2)})).verdict is SERVER_WON
        assert stands(tenant, "k") == {"a": 1}

    def test_g9_a_change_leaves_the_record_in_its_bucket(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}, bucket="north"))
        device = Uploader(tenant, "", "north")
        device.send(device.update("k", {"a": (1, 2)}), device.insert("k", {"a": 2, "b": 3}))
        (row,) = tenant.store.get_records(tenant.account_id, "note", ["k"])
        assert (row.bucket, row.frame) == ("north", b'{"a":2,"b":3}')

    def test_g6_numbers_and_names_count_for_one_device_only(self, tenant: Tenant) -> None:
        first, second = Uploader(tenant), Uploader(tenant)
        change = first.insert("k", {"a": 1})
        assert first.one(change).verdict is APPLIED
        other = change._replace(key="other")
        assert second.one(other).verdict is APPLIED
        assert stands(tenant, "other") == {"a": 1}
        assert first.one(change) != second.one(other)

    def test_g9_one_device_of_two_accounts_has_two_sets_of_everything(self, store: Store) -> None:
        mine, other = Tenant(store), Tenant(store)
        device = Uploader(mine)
        store.register_device(other.account_id, device.device_uuid, now=NOW)
        twin = Uploader(other, device_uuid=device.device_uuid)
        change = device.insert("k", {"a": 1})
        mine.write(note("k", {"a": 5}))
        assert device.one(change).verdict is SERVER_WON
        device.settle()
        row = store.get_device(other.account_id, device.device_uuid)
        assert (row.next_change_seq, row.settled_through) == (1, 0)
        assert row.upload_stream_id == twin.stream_id != device.stream_id
        assert twin.one(change, settled_through=0).verdict is APPLIED
        assert (stands(mine, "k"), stands(other, "k")) == ({"a": 5}, {"a": 1})
        later = mine.now() * 2
        assert store.collect(mine.account_id, devices_seen_before=later, now=later).receipts == 1
        assert twin.one(change).verdict is APPLIED
        assert store.get_device(other.account_id, device.device_uuid).next_change_seq == 2
